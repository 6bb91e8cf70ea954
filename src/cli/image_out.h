/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of a view as an image of layers, for push and export. */
#ifndef FC_CLI_IMAGE_OUT_H
#define FC_CLI_IMAGE_OUT_H

#include "cli/view.h"
#include "oci/assemble.h"

/** Options that push and export share; their ids. */
enum { CLI_OPT_COMPRESSION = CLI_LONG_ONLY + 300, CLI_OPT_LEVEL, CLI_OPT_SQUASH, CLI_OPT_IMAGE_ARCH };
#define CLI_IMAGE_OUT_OPTIONS                                                                                          \
    {CLI_OPT_COMPRESSION, 0, "compression", "gzip|zstd|none", "how layers are compressed (default: gzip)", 0},         \
        {CLI_OPT_LEVEL, 0, "compression-level", "N", "gzip 1 to 9, zstd 1 to 19 (default: the library's)", 0},         \
        {CLI_OPT_SQUASH, 0, "squash", NULL, "one layer of the whole tree", 0},                                         \
    {                                                                                                                  \
        CLI_OPT_IMAGE_ARCH, 0, "platform", "[OS/]ARCH[/VARIANT]",                                                      \
            "what the image says it runs on (default: as its base)", 0                                                 \
    }

/**
 * Make an image of @v: a layer for each of the stack's and one of the edits, or with --squash, or for an ext4 image, one in
 * all. Blobs, configuration and manifest are in the layout of @f's cache afterwards. @fallback is the compression when none
 * was given. Returns 0 and fills *ret, or a failure with words.
 */
int cli_image_make(struct cli *cli, const struct cli_args *args, const struct cli_view *v, struct fc_fetcher *f,
                   const char *fallback, struct fc_oci_made *ret, struct fc_error *err);

#endif
