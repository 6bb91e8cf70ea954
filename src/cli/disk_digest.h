/* SPDX-License-Identifier: Apache-2.0 */
/* A name for a planned image that is cheap: it reads no content. */
#ifndef FC_CLI_DISK_DIGEST_H
#define FC_CLI_DISK_DIGEST_H

#include <fccompose/fccompose.h>

/**
 * A digest that differs whenever a byte of @image could: of the stack (@stack), of every byte that the planner made, of
 * where each run of content comes from, and of what tells contents of edits apart: inode number, size and ctime, which
 * no user can set. (The converse does not hold: it may differ for equal images.) Returns 0 or a failure with words.
 */
int cli_disk_digest(const struct fc_image *image, const struct fc_snapshot *snapshot, const struct fc_digest *stack,
                    struct fc_digest *ret, struct fc_error *err);

#endif
