/* SPDX-License-Identifier: Apache-2.0 */
/* SELinux labels by path, as the rules of a policy's file_contexts say. */
#ifndef FCCOMPOSE_LABEL_H
#define FCCOMPOSE_LABEL_H

#include <stdint.h>

#include <fccompose/error.h>

/** Rules from paths to labels. Not thread-safe. */
struct fc_labels;

/**
 * Read the rules in the file @path, and in @path.local, @path.homedirs and @path.subs* where they are, as restorecon(8)
 * does. The host needs no SELinux. Returns 0 and sets *ret_labels, or a negative errno with words: -EBADMSG for a file
 * that is malformed. Release with fc_labels_free().
 */
FC_PUBLIC int fc_labels_open(const char *path, struct fc_labels **ret_labels, struct fc_error *err);

/** Free rules and the labels that they gave. NULL is allowed. */
FC_PUBLIC void fc_labels_free(struct fc_labels *labels);

/**
 * Find the label for what is at @path (absolute; "/" is the root) and has type and permissions @mode. @labels is the rules;
 * it has this form so that fc_ext4_options takes the function.
 *
 * Returns 1 and sets *ret_label, which stays until the rules are freed; 0: no rule is for it, or one that says <<none>>;
 * -EBADMSG with words when the label is none; -ENOMEM.
 */
FC_PUBLIC int fc_labels_find(void *labels, const char *path, uint32_t mode, const char **ret_label,
                             struct fc_error *err);

#endif
