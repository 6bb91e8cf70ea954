/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of `fccompose freeze` share: the request that the command line makes, and the report at the end. */
#ifndef FC_CLI_FREEZE_H
#define FC_CLI_FREEZE_H

#include <fccompose/fccompose.h>

#include "cli/cli.h"

/** What is to be done, as the command line says. Texts are borrowed from it. */
struct freeze_request {
    const char *out; /**< "-": standard output; with @is_virtual the directory, NULL: the workspace's */
    bool is_virtual, foreground;
    bool temporary;   /**< @out will not stay: the workspace does not remember it */
    bool has_options; /**< some that say what the image is to be like */
    const char *rw;   /**< with @is_virtual: FILE of a writable overlay, or NULL */
    const char **layers;
    size_t n_layers; /**< 0: the workspace */
    struct fc_ext4_options ext4;
    struct fc_labels *labels; /**< or NULL; owned */
    const char *records;      /**< where it is remembered what was written; NULL: where the view's workspace does */
    struct fc_image_write_options write;
};

/** The option table. */
extern const struct cli_option freeze_options[];

/** Take the command line. Release @ret also after a failure. Returns 0, wrong usage, or a failure with words. */
int freeze_take(struct cli *cli, const struct cli_args *args, struct freeze_request *ret, struct fc_error *err);
/** What an image is like when no option is given, by the environment too. Returns 0 or a failure with words. */
int freeze_default_ext4(struct fc_ext4_options *ret, struct fc_error *err);
/** Free what a request owns. */
void freeze_request_release(struct freeze_request *f);

/** Offer the image as a virtual disk: in the background unless @f says otherwise. Returns 0 or a failure with words. */
int freeze_virtual(struct cli *cli, const struct freeze_request *f, struct fc_error *err);

/** What was done. */
struct freeze_report {
    uint32_t n_objects;
    bool over; /**< only the changes since the image that was there were planned */
    struct fc_ext4_summary summary;
    struct fc_image_write_result result;
    double seconds;
};

struct cli_view;
/**
 * Write the tree of @v (opened lazily will do) to @f->out, over the image that is there where it can. Returns 0 and fills *ret, or
 * a failure with words.
 */
int freeze_write(struct cli *cli, struct freeze_request *f, struct cli_view *v, struct freeze_report *ret,
                 struct fc_error *err);

/** Say what was done: words on stderr, or JSON on stdout. Returns 0 or a failure with words. */
int freeze_print(const struct cli *cli, const struct freeze_request *f, const struct freeze_report *r,
                 struct fc_error *err);

#endif
