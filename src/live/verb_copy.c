/* SPDX-License-Identifier: Apache-2.0 */
/* The verb cp: bring a host file, directory or other object into the live tree. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/map.h"
#include "base/path.h"
#include "entry/entry.h"
#include "live/verb_internal.h"

/* A directory of the tree that entries are being put into. */
struct frame {
    uint64_t ino;
    size_t path_len; /* of its path in the source */
    bool fresh;      /* made by us: gets the source's times when it is complete */
    struct timespec mtime;
};

struct copy {
    struct fc_live *live;
    const struct fc_verb *verb;
    struct fc_entry_iter *it;
    struct frame *frames;
    size_t n_frames, cap_frames;
    struct fc_buf path; /* of the deepest directory, in the source */
    struct fc_map done; /* hash of a source path to the inode that it became, for hard links */
    struct fc_error *err;
};

static int copy_fail(const struct copy *c, int code, const struct fc_entry *e)
{
    char show[256];
    const char *name = c->verb->source_name ? c->verb->source_name : "";

    if (!e || !*e->path)
        return fc_verb_fail(c->err, code, "copy to", c->verb->path);
    return fc_fail_errno(c->err, code, "cannot copy \"%s/%s\" below \"%s\"", name,
                         fc_name_show(show, sizeof(show), e->path, strlen(e->path)), c->verb->path);
}

/* Attributes in the order that keeps them: changing owners clears set-id bits, an ACL changes the mode, times come last. */
static int set_attributes(const struct copy *c, const struct fc_entry *e, uint64_t ino)
{
    bool keep = c->verb->flags & FC_VERB_KEEP_OWNER;
    struct fc_attr attr = {
        .mode = e->mode,
        .uid = keep ? e->uid : c->verb->uid,
        .gid = keep ? e->gid : c->verb->gid,
        .mtime = e->mtime,
    };
    unsigned which = FC_SET_UID | FC_SET_GID;
    int r = fc_live_setattr(c->live, ino, &attr, which, NULL);

    /* What the parent's default ACL gave is not the source's. */
    fc_live_removexattr(c->live, ino, "system.posix_acl_access");
    if (S_ISDIR(e->mode))
        fc_live_removexattr(c->live, ino, "system.posix_acl_default");
    if (r == 0 && !*e->path && c->verb->mode_text && !S_ISLNK(e->mode))
        r = fc_mode_apply(c->verb->mode_text, e->mode, &attr.mode);
    if (r == 0 && !S_ISLNK(e->mode))
        r = fc_live_setattr(c->live, ino, &attr, FC_SET_MODE, NULL);
    for (size_t i = 0; i < e->n_xattrs && r == 0; i++)
        r = fc_live_setxattr(c->live, ino, e->xattrs[i].name, e->xattrs[i].size ? e->xattrs[i].value : "",
                             e->xattrs[i].size, 0);
    return r < 0 ? r : fc_live_setattr(c->live, ino, &attr, FC_SET_MTIME, NULL);
}

static int copy_content(const struct copy *c, const struct fc_entry *e, uint64_t ino)
{
    struct fc_attr attr = {.size = e->size};
    struct fc_block b;
    int r;

    while ((r = fc_entry_read(c->it, &b, c->err)) > 0) {
        ssize_t n = fc_live_write(c->live, ino, b.data, b.size, b.offset, 0);

        if (n < 0)
            return copy_fail(c, (int)-n, e);
    }
    if (r < 0)
        return r;
    r = fc_live_setattr(c->live, ino, &attr, FC_SET_SIZE, NULL);
    return r < 0 ? copy_fail(c, -r, e) : 0;
}

static int copy_file(struct copy *c, const struct fc_entry *e, const struct fc_place *place, uint64_t *ret_ino)
{
    uint64_t ino;
    int r = fc_stage_file(c->live, place->dir, e->mode, c->verb->uid, c->verb->gid, &ino);

    if (r < 0)
        return copy_fail(c, -r, e);
    r = copy_content(c, e, ino);
    if (r == 0) {
        r = set_attributes(c, e, ino);
        if (r == 0)
            r = fc_place_link(c->live, ino, place);
        if (r < 0)
            copy_fail(c, -r, e);
    }
    fc_live_forget(c->live, ino, 1);
    *ret_ino = ino;
    return r;
}

/* Enter the directory at @place, made if it is missing; one that was there keeps its attributes. */
static int copy_directory(struct copy *c, const struct fc_entry *e, struct fc_place *place)
{
    struct fc_cred cred = {.uid = c->verb->uid, .gid = c->verb->gid};
    struct frame f = {.path_len = strlen(e->path), .mtime = e->mtime};
    int r = 0;

    if (place->exists && !S_ISDIR(place->attr.mode))
        return copy_fail(c, ENOTDIR, e);
    if (!place->exists) {
        f.fresh = true;
        r = fc_live_mknod(c->live, place->dir, place->name, place->len, S_IFDIR | (e->mode & 07777), 0, 0, 0, &cred,
                          &place->attr);
        if (r == 0) {
            fc_live_forget(c->live, place->attr.ino, 1);
            r = set_attributes(c, e, place->attr.ino);
        }
    }
    if (r == 0)
        r = fc_grow(&c->frames, &c->cap_frames, c->n_frames + 1, sizeof(*c->frames));
    fc_buf_clear(&c->path);
    if (r == 0)
        r = fc_buf_adds(&c->path, e->path);
    if (r < 0)
        return copy_fail(c, -r, e);
    f.ino = place->attr.ino;
    c->frames[c->n_frames++] = f;
    return 0;
}

/* Leave the deepest directory: only now do its times stay. */
static int leave(struct copy *c)
{
    struct frame *f = &c->frames[--c->n_frames];
    struct fc_attr attr = {.mtime = f->mtime};

    return f->fresh ? fc_live_setattr(c->live, f->ino, &attr, FC_SET_MTIME, NULL) : 0;
}

/* Leave directories until the deepest is the entry's own, which is frames[n_frames - 1] then. */
static int go_to_parent(struct copy *c, const struct fc_entry *e)
{
    int r = 0;

    while (r == 0 && c->n_frames) {
        size_t len = c->frames[c->n_frames - 1].path_len;

        if (len == 0 || (strncmp(e->path, c->path.data, len) == 0 && e->path[len] == '/'))
            return 0;
        r = leave(c);
    }
    return r < 0 ? r : -EINVAL;
}

/*
 * Where the entry goes. A symlink that is there is followed for directories (so that /lib stays a symlink to /usr/lib)
 * and for files that exist behind it, as cp(1) does for files.
 */
static int find_place(struct copy *c, const struct fc_entry *e, struct fc_place *ret)
{
    const char *name;
    size_t len;
    int r = go_to_parent(c, e);

    if (r < 0)
        return r;
    name = fc_last_component(e->path, &len);
    ret->attr.ino = c->frames[c->n_frames - 1].ino;
    r = fc_place_below(c->live, ret, name, len);
    if (r == 0 && ret->exists && S_ISLNK(ret->attr.mode) && e->op == FC_ENTRY_ADD &&
        (S_ISDIR(e->mode) || S_ISREG(e->mode))) {
        struct fc_place behind;

        if (fc_walk(c->live, ret->dir, ret->name, FC_WALK_FOLLOW, &behind) == 0 && behind.exists &&
            (behind.attr.mode & S_IFMT) == (e->mode & S_IFMT))
            *ret = behind;
    }
    return r;
}

/* The start: a directory that is there means below it, unless the source is "." or "/" itself. */
static int find_start(struct copy *c, struct fc_place *ret)
{
    unsigned flags = FC_WALK_FOLLOW | (c->verb->flags & FC_VERB_PARENTS ? FC_WALK_PARENTS : 0);
    const char *name;
    size_t len;
    int r = fc_walk(c->live, 1, c->verb->path, flags, ret);

    if (r < 0 || !ret->exists || !S_ISDIR(ret->attr.mode) || !c->verb->source_name)
        return r;
    name = fc_last_component(c->verb->source_name, &len);
    return fc_place_below(c->live, ret, name, len);
}

static int copy_link(struct copy *c, const struct fc_entry *e, const struct fc_place *place)
{
    uint64_t ino;
    int r;

    if (!fc_map_get(&c->done, fc_hash(0, e->target, strlen(e->target)) >> 1, &ino))
        return copy_fail(c, EEXIST, e); /* its first name was kept from being overwritten */
    r = fc_place_link(c->live, ino, place);
    return r < 0 ? copy_fail(c, -r, e) : 0;
}

static int copy_object(struct copy *c, const struct fc_entry *e, struct fc_place *place)
{
    const struct fc_making what = {
        .target = e->target, .mode = e->mode, .rdev_major = e->rdev_major, .rdev_minor = e->rdev_minor};
    struct fc_cred cred = {.uid = c->verb->uid, .gid = c->verb->gid};
    struct fc_attr attr;
    int r;

    if (e->op == FC_ENTRY_HARDLINK)
        return copy_link(c, e, place);
    if (S_ISREG(e->mode)) {
        r = copy_file(c, e, place, &attr.ino);
        if (r < 0)
            return r;
    } else {
        r = fc_place_make(c->live, place, &what, &cred, &attr);
        if (r == 0)
            r = set_attributes(c, e, attr.ino);
        if (r < 0)
            return copy_fail(c, -r, e);
    }
    /* The map's keys stay below its two special values. */
    r = fc_map_set(&c->done, fc_hash(0, e->path, strlen(e->path)) >> 1, attr.ino);
    return r < 0 ? copy_fail(c, -r, e) : 0;
}

static int copy_entry(struct copy *c, const struct fc_entry *e)
{
    struct fc_place place;
    int r = *e->path ? find_place(c, e, &place) : find_start(c, &place);

    if (r < 0)
        return copy_fail(c, -r, e);
    if (e->op == FC_ENTRY_ADD && S_ISDIR(e->mode)) {
        if (!(c->verb->flags & FC_VERB_RECURSIVE))
            return fc_fail(c->err, EISDIR, "cannot copy \"%s\": it is a directory (-r copies it and all in it)",
                           c->verb->source_name ? c->verb->source_name : "");
        return copy_directory(c, e, &place);
    }
    if (place.exists && (c->verb->flags & FC_VERB_NO_CLOBBER))
        return 0;
    return copy_object(c, e, &place);
}

int fc_verb_copy(struct fc_live *live, const struct fc_verb *verb, struct fc_error *err)
{
    const struct fc_dir_options options = {.excludes = verb->excludes, .n_excludes = verb->n_excludes};
    fc_auto(fc_entry_iter_free) struct fc_entry_iter *it = NULL;
    struct copy c = {.live = live, .verb = verb, .err = err};
    const struct fc_entry *e;
    uint32_t ignored;
    int r;

    if (verb->mode_text && fc_mode_apply(verb->mode_text, S_IFREG, &ignored) < 0)
        return fc_fail(err, EINVAL, "mode \"%s\" is neither octal nor like \"u+x,go-w\"", verb->mode_text);
    r = fc_dir_iter(verb->fd, verb->source_name ? verb->source_name : "source", &options, &it, err);
    if (r < 0)
        return r;
    c.it = it;
    while ((r = fc_entry_next(it, &e, err)) > 0) {
        r = copy_entry(&c, e);
        if (r < 0)
            break;
    }
    while (c.n_frames) {
        int r2 = leave(&c);

        if (r == 0 && r2 < 0)
            r = copy_fail(&c, -r2, NULL);
    }
    free(c.frames);
    fc_buf_release(&c.path);
    fc_map_release(&c.done);
    return r;
}
