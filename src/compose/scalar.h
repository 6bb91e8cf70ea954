/* SPDX-License-Identifier: Apache-2.0 */
/* Kinds of texts that a recipe holds: what fits, in words and as a pattern. Private to compose/. */
#ifndef FC_COMPOSE_SCALAR_H
#define FC_COMPOSE_SCALAR_H

#include "compose/reader.h"

/** A kind of text. One pattern judges it here and in the printed schema. */
struct scalar {
    const char *expected; /**< "a size such as 512M" */
    const char *
        pattern; /**< what both POSIX extended and ECMAScript expressions understand, for the whole text; NULL: not empty */
    const char *(*refuse)(
        const char *text); /**< what the pattern cannot say: words, or NULL when it fits; may be NULL */
    /** The text as the struct has it, malloc'd; NULL after noting a problem. May be NULL: as it is. */
    char *(*convert)(struct reader *r, const struct node *n, const char *text);
};

extern const struct scalar scalar_text, scalar_any, scalar_number, scalar_size, scalar_image_size, scalar_mode,
    scalar_owner, scalar_ids, scalar_path, scalar_host, scalar_sha256, scalar_sha512, scalar_auto_size,
    scalar_auto_number, scalar_uuid, scalar_journal, scalar_percent, scalar_profile, scalar_feature, scalar_label,
    scalar_id, scalar_hostname, scalar_xattr, scalar_hex, scalar_base64, scalar_arch, scalar_oci, scalar_url,
    scalar_name, scalar_config_line, scalar_user, scalar_address, scalar_device, scalar_signature, scalar_kernel,
    scalar_inode_size, scalar_builtin;

/** Compiled patterns. */
struct patterns;
/** Free. NULL is allowed. */
void patterns_free(struct patterns *p);

/**
 * The text of @n with variables filled in, when it fits @s: malloc'd, as the struct has it. NULL after noting a problem that begins
 * with @key.
 */
char *scalar_read(struct reader *r, const struct node *n, const char *key, const struct scalar *s);
/** Append the bytes of @text, base64 with blanks and lines in it, to @out. Returns 0, -EINVAL or -ENOMEM. */
int scalar_decode_base64(const char *text, struct fc_buf *out);
/** @path of @n's file as an absolute path, malloc'd; NULL when memory is short (noted). */
char *scalar_absolute(struct reader *r, const struct node *n, const char *path);

#endif
