/* SPDX-License-Identifier: Apache-2.0 */
/* Flatten a verb for the control socket, and read it back with suspicion. */
#include <errno.h>
#include <string.h>

#include "live/verb_internal.h"

/* Numbers first, then path, target, mode text, name, source name and value: each a length and, unless that is NONE, bytes. */
enum { N_NUMBERS = 11, VERSION = 2 };
#define NONE UINT32_MAX

static int put_number(struct fc_buf *out, uint32_t v)
{
    unsigned char b[4] = {v & 0xff, v >> 8 & 0xff, v >> 16 & 0xff, v >> 24};

    return fc_buf_add(out, b, sizeof(b));
}

/* Texts carry their NUL, so that the reader can point at them. */
static int put_bytes(struct fc_buf *out, const void *data, size_t size, bool text)
{
    int r;

    if (!data)
        return put_number(out, NONE);
    if (size >= NONE - 1)
        return -ENOMEM;
    r = put_number(out, (uint32_t)size);
    return r < 0 ? r : fc_buf_add(out, size || text ? data : "", size + text);
}

static int put_text(struct fc_buf *out, const char *s) { return put_bytes(out, s, s ? strlen(s) : 0, true); }

int fc_verb_encode(const struct fc_verb *v, struct fc_buf *ret)
{
    const uint32_t numbers[N_NUMBERS] = {VERSION,
                                         v->kind,
                                         v->flags,
                                         v->mode,
                                         v->uid,
                                         v->gid,
                                         v->rdev_major,
                                         v->rdev_minor,
                                         v->umask,
                                         (uint32_t)v->at,
                                         (uint32_t)(v->at >> 32)};
    const char *texts[] = {v->path, v->target, v->mode_text, v->name, v->source_name};
    size_t start = ret->len;
    int r = v->n_excludes ? -EINVAL : 0;

    for (size_t i = 0; i < N_NUMBERS && r == 0; i++)
        r = put_number(ret, numbers[i]);
    for (size_t i = 0; i < FC_LENGTH(texts) && r == 0; i++)
        r = put_text(ret, texts[i]);
    if (r == 0)
        r = put_bytes(ret, v->data, v->size, false);
    if (r < 0)
        ret->len = start;
    return r;
}

struct reader {
    const unsigned char *at;
    size_t left;
};

static int get_number(struct reader *in, uint32_t *ret)
{
    if (in->left < 4)
        return -EBADMSG;
    *ret = in->at[0] | (uint32_t)in->at[1] << 8 | (uint32_t)in->at[2] << 16 | (uint32_t)in->at[3] << 24;
    in->at += 4;
    in->left -= 4;
    return 0;
}

static int get_bytes(struct reader *in, bool text, const void **ret, size_t *ret_size)
{
    uint32_t size;

    *ret = NULL;
    *ret_size = 0;
    if (get_number(in, &size) < 0)
        return -EBADMSG;
    if (size == NONE)
        return 0;
    if ((size_t)size + text > in->left)
        return -EBADMSG;
    if (text && (in->at[size] != '\0' || memchr(in->at, '\0', size)))
        return -EBADMSG;
    *ret = in->at;
    *ret_size = size;
    in->at += size + text;
    in->left -= size + text;
    return 0;
}

int fc_verb_decode(const void *data, size_t size, int fd, struct fc_verb *ret)
{
    struct reader in = {data, size};
    uint32_t n[N_NUMBERS];
    const void *texts[5];
    struct fc_verb v;
    size_t ignored;

    for (size_t i = 0; i < N_NUMBERS; i++)
        if (get_number(&in, &n[i]) < 0)
            return -EBADMSG;
    for (size_t i = 0; i < FC_LENGTH(texts); i++)
        if (get_bytes(&in, true, &texts[i], &ignored) < 0)
            return -EBADMSG;
    v = (struct fc_verb){
        .kind = (enum fc_verb_kind)n[1],
        .flags = n[2],
        .mode = n[3],
        .uid = n[4],
        .gid = n[5],
        .rdev_major = n[6],
        .rdev_minor = n[7],
        .umask = n[8],
        .at = n[9] | (uint64_t)n[10] << 32,
        .path = texts[0],
        .target = texts[1],
        .mode_text = texts[2],
        .name = texts[3],
        .source_name = texts[4],
        .fd = fd,
    };
    if (get_bytes(&in, false, &v.data, &v.size) < 0 || in.left || n[0] != VERSION || n[1] > FC_VERB_WRITE || !v.path)
        return -EBADMSG;
    *ret = v;
    return 0;
}
