/* SPDX-License-Identifier: Apache-2.0 */
/* What the steps' tables need: kinds of their own, and a step while it is read. Private to compose/. */
#ifndef FC_COMPOSE_STEP_H
#define FC_COMPOSE_STEP_H

#include "compose/shape.h"

/** A step, and what of its attributes is not in it yet. */
struct step_build {
    struct fc_recipe_step step; /**< first: fields of it have its offsets */
    char *xattr_name;           /**< whose value comes next */
};

extern const struct shape shape_secret;

/* step_kinds.c: all of them read into a struct step_build. */
extern const struct kind kind_verb;   /**< a shape; the field's number is the verb */
extern const struct kind kind_run;    /**< the script, or argv */
extern const struct kind kind_bytes;  /**< the content of write */
extern const struct kind kind_base64; /**< the same */
extern const struct kind kind_env, kind_secrets, kind_guest_step, kind_node_type;
extern const struct kind kind_device_number; /**< uint32_t; the field's number is the most */
/** What a mknod needs by its type. */
void mknod_check(struct reader *r, const struct node *n, void *into);

/* step_xattr.c */
extern const struct kind kind_xattr_name, kind_xattr_text, kind_xattr_hex, kind_xattr_base64, kind_xattr_remove,
    kind_xattr_caps;
/** Put the name to the value, once both are read. */
void xattr_check(struct reader *r, const struct node *n, void *into);

#endif
