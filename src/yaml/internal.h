/* SPDX-License-Identifier: Apache-2.0 */
/* A document as libyaml loaded it. Private to yaml/. */
#ifndef FC_YAML_INTERNAL_H
#define FC_YAML_INTERNAL_H

#include <yaml.h>

#include "yaml/yaml.h"

/** The tag that clears what an include brought. */
#define FC_YAML_RESET "!reset"

struct fc_yaml {
    yaml_document_t document;
    bool loaded;
};

#endif
