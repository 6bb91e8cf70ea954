/* SPDX-License-Identifier: Apache-2.0 */
/* Names that only one session shows: mount points that the tree lacks, for the time of a command. */
#include <errno.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/session.h"

enum { STATX = 52 }; /* as in raw.c */

/*
 * A place is an empty file or directory that stands in for whatever the tree has under its name. It is soon mounted over, so
 * it is in no listing, nothing can be made in it, and the tree (with what the other sessions and images show) knows nothing
 * of it.
 */

void fuse_places_init(struct fuse_places *p) { pthread_rwlock_init(&p->lock, NULL); }

void fuse_places_release(struct fuse_places *p)
{
    for (size_t i = 0; i < atomic_load(&p->n); i++)
        free(p->items[i].name);
    free(p->items);
    pthread_rwlock_destroy(&p->lock);
}

/* The number of the place, or 0. With the lock. */
static uint64_t find(const struct fuse_places *p, uint64_t parent, const char *name, size_t len)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->items[i].parent == parent && strlen(p->items[i].name) == len && memcmp(p->items[i].name, name, len) == 0)
            return FUSE_PLACE_INO + i;
    return 0;
}

bool fuse_place_is(struct fc_mount *m, uint64_t parent, const char *name, size_t len)
{
    struct fuse_places *p = &m->places;
    bool is;

    if (atomic_load(&p->n) == 0)
        return false;
    pthread_rwlock_rdlock(&p->lock);
    is = find(p, parent, name, len) != 0;
    pthread_rwlock_unlock(&p->lock);
    return is;
}

int fc_session_place(struct fc_mount *m, uint64_t parent, const char *name, bool directory, struct fc_error *err)
{
    struct fuse_places *p = &m->places;
    size_t len = strlen(name);
    char *copy = strdup(name);
    int r;

    if (len == 0 || len > FC_NAME_MAX || strchr(name, '/')) {
        free(copy);
        return fc_fail(err, EINVAL, "%s: not a name", name);
    }
    pthread_rwlock_wrlock(&p->lock);
    r = copy ? fc_grow(&p->items, &p->cap, p->n + 1, sizeof(*p->items)) : -ENOMEM;
    if (r == 0) {
        p->items[p->n] = (struct fuse_place){.parent = parent, .name = copy, .directory = directory};
        atomic_fetch_add(&p->n, 1);
    }
    pthread_rwlock_unlock(&p->lock);
    if (r < 0) {
        free(copy);
        return fc_fail(err, ENOMEM, "out of memory");
    }
    /* The kernel may have asked for the name before. */
    fuse_lowlevel_notify_inval_entry(m->service.se, parent, name, len);
    return 0;
}

static void answer_lookup(const struct fuse_places *p, uint64_t parent, const char *name, size_t size,
                          struct fuse_place_reply *ret)
{
    ret->ino = find(p, parent, name, strnlen(name, size));
    ret->has_entry = ret->ino != 0;
    if (ret->has_entry)
        ret->directory = p->items[ret->ino - FUSE_PLACE_INO].directory;
}

static void answer_about(const struct fuse_places *p, uint32_t opcode, uint64_t ino, struct fuse_place_reply *ret)
{
    ret->ino = ino;
    ret->directory = p->items[ino - FUSE_PLACE_INO].directory;
    switch (opcode) {
    case FUSE_GETATTR:
    case STATX:
        ret->has_attr = true;
        break;
    case FUSE_READDIR:
    case FUSE_READDIRPLUS:
    case FUSE_READ:
        break; /* empty */
    case FUSE_GETXATTR:
    case FUSE_LISTXATTR:
        ret->code = ENODATA;
        break;
    case FUSE_LOOKUP:
        ret->code = ENOENT;
        break;
    default:
        ret->code = EROFS;
    }
}

/* What is the session's, not the inode's: opening is the same for all, and nothing is answered to FORGET. */
static bool is_general(uint32_t opcode)
{
    return opcode == FUSE_OPEN || opcode == FUSE_OPENDIR || opcode == FUSE_RELEASE || opcode == FUSE_RELEASEDIR ||
           opcode == FUSE_FLUSH || opcode == FUSE_STATFS || opcode == FUSE_FORGET || opcode == FUSE_INTERRUPT;
}

bool fuse_place_answer(struct fc_mount *m, uint32_t opcode, uint64_t nodeid, const void *body, size_t size,
                       struct fuse_place_reply *ret)
{
    struct fuse_places *p = &m->places;

    if (atomic_load(&p->n) == 0 || (opcode != FUSE_LOOKUP && (nodeid < FUSE_PLACE_INO || is_general(opcode))))
        return false;
    *ret = (struct fuse_place_reply){0};
    pthread_rwlock_rdlock(&p->lock);
    if (opcode == FUSE_LOOKUP)
        answer_lookup(p, nodeid, body, size, ret);
    if (nodeid >= FUSE_PLACE_INO + p->n)
        ret->code = ESTALE;
    else if (nodeid >= FUSE_PLACE_INO && !ret->has_entry)
        answer_about(p, opcode, nodeid, ret);
    pthread_rwlock_unlock(&p->lock);
    return ret->has_entry || nodeid >= FUSE_PLACE_INO;
}
