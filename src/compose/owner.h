/* SPDX-License-Identifier: Apache-2.0 */
/* Names of users and groups as the tree has them. Private to compose/. */
#ifndef FC_COMPOSE_OWNER_H
#define FC_COMPOSE_OWNER_H

#include "live/verb.h"

/**
 * Read "USER", "USER:GROUP" or ":GROUP", each a number or a name of the tree's /etc/passwd and
 * /etc/group, into @verb's owner and its flags. Returns 0, -ENOENT or -EINVAL with words.
 */
int fc_owner_resolve(struct fc_live *live, const char *text, struct fc_verb *verb, struct fc_error *err);

#endif
