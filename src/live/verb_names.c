/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs rm, mv, mkdir, ln and mknod. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "live/verb_internal.h"

static int remove_one(void *arg, const struct fc_visit *v)
{
    struct fc_live *live = arg;
    int r = 0;

    if (!S_ISDIR(v->mode))
        r = fc_live_unlink(live, v->dir, v->name, v->len);
    else if (v->leaving)
        r = fc_live_rmdir(live, v->dir, v->name, v->len);
    return r == -ENOENT ? 0 : r;
}

static int do_rm(struct fc_live *live, const struct fc_verb *verb, struct fc_error *err)
{
    struct fc_place place;
    int r = fc_walk(live, 1, verb->path, 0, &place);

    if (r == 0 && !place.exists)
        r = -ENOENT;
    if ((r == -ENOENT || r == -ENOTDIR) && (verb->flags & FC_VERB_FORCE))
        return 0;
    if (r < 0)
        return fc_verb_fail(err, -r, "remove", verb->path);
    if (place.len == 0)
        return fc_fail(err, EINVAL, "cannot remove \"%s\": it is the root or ends in \".\" or \"..\"", verb->path);
    if (!S_ISDIR(place.attr.mode)) {
        r = fc_live_unlink(live, place.dir, place.name, place.len);
    } else if (!(verb->flags & FC_VERB_RECURSIVE)) {
        return fc_fail(err, EISDIR, "cannot remove \"%s\": it is a directory (-r removes it and all in it)",
                       verb->path);
    } else {
        r = fc_visit_below(live, place.attr.ino, remove_one, live);
        if (r == 0)
            r = fc_live_rmdir(live, place.dir, place.name, place.len);
    }
    return r < 0 ? fc_verb_fail(err, -r, "remove", verb->path) : 0;
}

static int do_mkdir(struct fc_live *live, const struct fc_verb *verb, struct fc_error *err)
{
    struct fc_cred cred = {.uid = verb->uid, .gid = verb->gid};
    bool parents = verb->flags & FC_VERB_PARENTS;
    uint32_t mode = verb->flags & FC_VERB_SET_MODE ? verb->mode & 07777 : 0755;
    struct fc_place place;
    int r = 0;

    if (verb->mode_text && fc_mode_apply(verb->mode_text, 0777, &mode) < 0)
        return fc_fail(err, EINVAL, "mode \"%s\" is neither octal nor like \"u+x,go-w\"", verb->mode_text);
    r = fc_walk(live, 1, verb->path, parents ? FC_WALK_PARENTS | FC_WALK_FOLLOW : 0, &place);
    if (r == 0 && place.exists)
        r = parents && S_ISDIR(place.attr.mode) ? 1 : -EEXIST;
    if (r == 0)
        r = fc_live_mknod(live, place.dir, place.name, place.len, S_IFDIR | (mode & 07777), 0, 0, 0, &cred,
                          &place.attr);
    else if (r > 0)
        return 0;
    if (r < 0)
        return fc_verb_fail(err, -r, "make directory", verb->path);
    fc_live_forget(live, place.attr.ino, 1);
    if (verb->mode_text || (verb->flags & FC_VERB_SET_MODE)) { /* asked for: a default ACL has no say */
        place.attr.mode = S_IFDIR | (mode & 07777);
        r = fc_live_setattr(live, place.attr.ino, &place.attr, FC_SET_MODE, NULL);
    }
    return r < 0 ? fc_verb_fail(err, -r, "set the mode of", verb->path) : 0;
}

/* A destination that is a directory means: below it, under the source's last name. */
static int destination(struct fc_live *live, const char *path, const char *source, unsigned flags, struct fc_place *ret)
{
    unsigned walk = flags & FC_VERB_PARENTS ? FC_WALK_PARENTS : 0;
    struct fc_place behind;
    const char *name;
    size_t len;
    int r = fc_walk(live, 1, path, walk, ret);

    if (r < 0 || (flags & FC_VERB_NO_FOLLOW))
        return r;
    if (ret->exists && S_ISLNK(ret->attr.mode) && fc_walk(live, 1, path, FC_WALK_FOLLOW, &behind) == 0 &&
        behind.exists && S_ISDIR(behind.attr.mode))
        *ret = behind;
    if (!ret->exists || !S_ISDIR(ret->attr.mode))
        return 0;
    name = fc_last_component(source, &len);
    return len ? fc_place_below(live, ret, name, len) : 0;
}

static int do_mv(struct fc_live *live, const struct fc_verb *verb, struct fc_error *err)
{
    struct fc_place from, to;
    int r = fc_walk(live, 1, verb->path, 0, &from);

    if (r == 0 && !from.exists)
        r = -ENOENT;
    if (r == 0 && from.len == 0)
        r = -EBUSY;
    if (r < 0)
        return fc_verb_fail(err, -r, "move", verb->path);
    r = destination(live, verb->target, verb->path, verb->flags, &to);
    if (r == 0 && to.exists && (verb->flags & FC_VERB_NO_CLOBBER))
        return 0;
    if (r == 0 && to.len == 0)
        r = -EBUSY;
    if (r == 0 && to.exists && to.dir == from.dir && to.len == from.len && memcmp(to.name, from.name, to.len) == 0)
        return fc_fail(err, EINVAL, "cannot move \"%s\" to \"%s\": they are the same", verb->path, verb->target);
    if (r == 0 && to.exists && to.attr.ino == from.attr.ino) /* two names of one file: mv(1) leaves the second */
        r = fc_live_unlink(live, from.dir, from.name, from.len);
    else if (r == 0)
        r = fc_live_rename(live, from.dir, from.name, from.len, to.dir, to.name, to.len, 0);
    return r < 0 ? fc_verb_fail(err, -r, "move to", verb->target) : 0;
}

static int link_or_symlink(struct fc_live *live, const struct fc_verb *verb, const struct fc_place *place)
{
    struct fc_cred cred = {.uid = verb->uid, .gid = verb->gid};
    struct fc_place target;
    struct fc_attr attr;
    int r;

    if (verb->flags & FC_VERB_SYMBOLIC) {
        if (!*verb->target || strlen(verb->target) > FC_TARGET_MAX)
            return *verb->target ? -ENAMETOOLONG : -ENOENT;
        return fc_place_make(live, place, &(struct fc_making){.target = verb->target}, &cred, &attr);
    }
    r = fc_walk(live, 1, verb->target, 0, &target);
    if (r < 0)
        return r;
    if (!target.exists)
        return -ENOENT;
    return S_ISDIR(target.attr.mode) ? -EPERM : fc_place_link(live, target.attr.ino, place);
}

static int do_ln(struct fc_live *live, const struct fc_verb *verb, struct fc_error *err)
{
    struct fc_place place;
    int r = destination(live, verb->path, verb->target, verb->flags, &place);

    if (r == 0 && place.exists && (!(verb->flags & FC_VERB_FORCE) || S_ISDIR(place.attr.mode)))
        r = -EEXIST;
    if (r == 0)
        r = link_or_symlink(live, verb, &place);
    return r < 0 ? fc_verb_fail(err, -r, "make link", verb->path) : 0;
}

static int do_mknod(struct fc_live *live, const struct fc_verb *verb, struct fc_error *err)
{
    const struct fc_making what = {
        .mode = verb->mode, .umask = verb->umask, .rdev_major = verb->rdev_major, .rdev_minor = verb->rdev_minor};
    struct fc_cred cred = {.uid = verb->uid, .gid = verb->gid};
    struct fc_place place;
    int r;

    if (S_ISDIR(verb->mode) || S_ISLNK(verb->mode) || !(verb->mode & S_IFMT))
        return fc_fail(err, EINVAL, "mknod makes FIFOs, sockets, devices and regular files");
    r = fc_walk_verb(live, verb, verb->flags & FC_VERB_PARENTS ? FC_WALK_PARENTS : 0, &place);
    if (r == 0 && place.exists && !(verb->flags & FC_VERB_FORCE))
        r = -EEXIST;
    if (r == 0)
        r = fc_place_make(live, &place, &what, &cred, &place.attr);
    return r < 0 ? fc_verb_fail(err, -r, "make", verb->path) : 0;
}

int fc_verb_names(struct fc_live *live, const struct fc_verb *verb, struct fc_error *err)
{
    switch (verb->kind) {
    case FC_VERB_RM:
        return do_rm(live, verb, err);
    case FC_VERB_MKDIR:
        return do_mkdir(live, verb, err);
    case FC_VERB_MV:
        return do_mv(live, verb, err);
    case FC_VERB_LN:
        return do_ln(live, verb, err);
    default:
        return do_mknod(live, verb, err);
    }
}
