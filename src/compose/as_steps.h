/* SPDX-License-Identifier: Apache-2.0 */
/* Edits as the steps of a recipe that make the same tree. */
#ifndef FC_COMPOSE_AS_STEPS_H
#define FC_COMPOSE_AS_STEPS_H

#include <fccompose/snapshot.h>

#include "base/buf.h"
#include "live/diff.h"

/** What is to be written down. Borrowed. */
struct fc_as_steps {
    const struct fc_tree *tree;
    const struct fc_snapshot *snapshot;
    const struct fc_diff *diff;
    const char *files;      /**< an existing folder for contents that no text holds; NULL: none */
    const char *files_name; /**< as steps call that folder */
};

/**
 * Append the list of steps, as YAML, to @ret, and write contents into in->files. Times are not said: those of a build are its own.
 * Returns the number of steps; -EOPNOTSUPP with words for a name that is not UTF-8 (YAML has no other), -EFBIG for a content that
 * wants a folder when there is none; or another -errno with words.
 */
int fc_as_steps(const struct fc_as_steps *in, struct fc_buf *ret, struct fc_error *err);

/** Append @size bytes as a double-quoted text of YAML that a recipe reads as these. Returns 0, -EILSEQ if they are no UTF-8 or hold a NUL, or -ENOMEM. */
int fc_yaml_quote(struct fc_buf *out, const char *text, size_t size);

#endif
