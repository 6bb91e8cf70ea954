/* SPDX-License-Identifier: Apache-2.0 */
/* The verb write: replace or extend a file's content by what a descriptor gives. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "live/verb_internal.h"

enum { CHUNK = 1 << 18 };

/* Everything that @fd gives, to file @ino from @offset on. *ret_end is where it ended, also on failure. */
static int pour(struct fc_live *live, int fd, uint64_t ino, uint64_t offset, uint64_t *ret_end)
{
    fc_auto(fc_free) char *buffer = malloc(CHUNK);
    ssize_t n;

    *ret_end = offset;
    if (!buffer)
        return -ENOMEM;
    while ((n = fc_read_full(fd, buffer, CHUNK)) > 0) {
        ssize_t w = fc_live_write(live, ino, buffer, (size_t)n, *ret_end, 0);

        if (w < 0)
            return (int)w;
        *ret_end += (uint64_t)n;
    }
    return (int)n;
}

/* The attributes that a replaced file keeps; capabilities go, as they do when the kernel writes to a file. */
static int copy_xattrs(struct fc_live *live, uint64_t from, uint64_t to)
{
    fc_auto(fc_free) char *names = NULL, *value = NULL;
    ssize_t n = fc_live_listxattr(live, from, NULL, 0);
    int r = 0;

    if (n <= 0)
        return (int)n;
    names = malloc((size_t)n);
    value = malloc(65536);
    if (!names || !value)
        return -ENOMEM;
    n = fc_live_listxattr(live, from, names, (size_t)n);
    for (const char *p = names; n > 0 && p < names + n && r == 0; p += strlen(p) + 1) {
        ssize_t size;

        if (strcmp(p, "security.capability") == 0)
            continue;
        size = fc_live_getxattr(live, from, p, value, 65536);
        r = size < 0 ? (int)size : fc_live_setxattr(live, to, p, value, (size_t)size, 0);
    }
    return n < 0 ? (int)n : r;
}

/* Mode and owner as asked for, over those that the file has. */
static int set_attributes(struct fc_live *live, const struct fc_verb *verb, uint64_t ino, uint32_t base_mode)
{
    struct fc_attr attr = {.uid = verb->uid, .gid = verb->gid, .mode = base_mode};
    unsigned which = FC_SET_MODE;
    int r = 0;

    if (verb->flags & FC_VERB_SET_UID)
        which |= FC_SET_UID;
    if (verb->flags & FC_VERB_SET_GID)
        which |= FC_SET_GID;
    if (which != FC_SET_MODE)
        r = fc_live_setattr(live, ino, &attr, which & ~(unsigned)FC_SET_MODE, NULL);
    if (r == 0 && verb->mode_text)
        r = fc_mode_apply(verb->mode_text, base_mode, &attr.mode);
    else if (verb->flags & FC_VERB_SET_MODE)
        attr.mode = S_IFREG | (verb->mode & 07777);
    return r < 0 ? r : fc_live_setattr(live, ino, &attr, FC_SET_MODE, NULL);
}

/* Bytes that were put aside go into a file that has other names, which a replacement would part from it. */
static int copy_into(struct fc_live *live, uint64_t from, uint64_t size, uint64_t to)
{
    struct fc_attr attr = {.size = size};
    int r = 0;

    for (uint64_t at = 0; at < size && r == 0;) {
        ssize_t n = fc_live_copy(live, from, at, to, at, size - at < INT32_MAX ? (size_t)(size - at) : INT32_MAX);

        if (n <= 0)
            r = n < 0 ? (int)n : -EIO;
        else
            at += (uint64_t)n;
    }
    return r < 0 ? r : fc_live_setattr(live, to, &attr, FC_SET_SIZE | FC_SET_MTIME_NOW, NULL);
}

static int replace(struct fc_live *live, const struct fc_verb *verb, const struct fc_place *place)
{
    const struct fc_attr *old = place->exists ? &place->attr : NULL;
    uint32_t mode = old ? old->mode : S_IFREG | 0644;
    uint64_t ino, size;
    int r = fc_stage_file(live, place->dir, mode, old ? old->uid : verb->uid, old ? old->gid : verb->gid, &ino);

    if (r < 0)
        return r;
    r = pour(live, verb->fd, ino, 0, &size);
    if (r == 0 && old && old->nlink > 1) {
        r = copy_into(live, ino, size, old->ino);
        if (r == 0 && (verb->mode_text || (verb->flags & (FC_VERB_SET_MODE | FC_VERB_SET_UID | FC_VERB_SET_GID))))
            r = set_attributes(live, verb, old->ino, mode);
    } else if (r == 0) {
        if (old) {
            /* Owner again: a set-group-id directory may have given another group. */
            struct fc_attr owner = {.uid = old->uid, .gid = old->gid};

            r = copy_xattrs(live, old->ino, ino);
            if (r == 0)
                r = fc_live_setattr(live, ino, &owner, FC_SET_UID | FC_SET_GID, NULL);
        }
        if (r == 0)
            r = set_attributes(live, verb, ino, mode);
        if (r == 0)
            r = fc_place_link(live, ino, place);
    }
    fc_live_forget(live, ino, 1);
    return r;
}

static int append(struct fc_live *live, const struct fc_verb *verb, const struct fc_attr *old)
{
    struct fc_attr back = {.size = old->size};
    uint64_t end;
    int r = pour(live, verb->fd, old->ino, old->size, &end);

    if (r < 0 && end > old->size)
        fc_live_setattr(live, old->ino, &back, FC_SET_SIZE, NULL);
    if (r == 0 && (verb->mode_text || (verb->flags & (FC_VERB_SET_MODE | FC_VERB_SET_UID | FC_VERB_SET_GID))))
        r = set_attributes(live, verb, old->ino, old->mode);
    return r;
}

int fc_verb_write(struct fc_live *live, const struct fc_verb *verb, struct fc_error *err)
{
    unsigned walk = verb->flags & FC_VERB_NO_FOLLOW ? 0 : FC_WALK_FOLLOW;
    struct fc_place place;
    uint32_t ignored;
    int r;

    if (verb->mode_text && fc_mode_apply(verb->mode_text, S_IFREG, &ignored) < 0)
        return fc_fail(err, EINVAL, "mode \"%s\" is neither octal nor like \"u+x,go-w\"", verb->mode_text);
    r = fc_walk(live, 1, verb->path, walk | (verb->flags & FC_VERB_PARENTS ? FC_WALK_PARENTS : 0), &place);
    if (r == 0 && place.exists && (verb->flags & FC_VERB_NO_CLOBBER))
        return 0;
    if (r == 0 && place.exists && S_ISDIR(place.attr.mode))
        r = -EISDIR;
    if (r == 0 && place.exists && !S_ISREG(place.attr.mode))
        return fc_fail(err, EINVAL, "cannot write \"%s\": it is no regular file", verb->path);
    if (r == 0)
        r = place.exists && (verb->flags & FC_VERB_APPEND) ? append(live, verb, &place.attr)
                                                           : replace(live, verb, &place);
    return r < 0 ? fc_verb_fail(err, -r, "write", verb->path) : 0;
}
