/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs chmod, chown and xattr. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "live/verb_internal.h"

/* One recursive change. */
struct change {
    struct fc_live *live;
    const struct fc_verb *verb;
};

static int change_mode(const struct change *c, uint64_t ino)
{
    struct fc_attr attr;
    uint32_t mode;
    int r = fc_live_getattr(c->live, ino, &attr);

    if (r < 0)
        return r;
    mode = (attr.mode & S_IFMT) | (c->verb->mode & 07777);
    if (c->verb->mode_text)
        r = fc_mode_apply(c->verb->mode_text, attr.mode, &mode);
    if (r < 0 || mode == attr.mode)
        return r;
    attr.mode = mode;
    return fc_live_setattr(c->live, ino, &attr, FC_SET_MODE, NULL);
}

static int change_owner(const struct change *c, uint64_t ino)
{
    struct fc_attr attr = {.uid = c->verb->uid, .gid = c->verb->gid};
    unsigned which = 0;

    if (c->verb->flags & FC_VERB_SET_UID)
        which |= FC_SET_UID;
    if (c->verb->flags & FC_VERB_SET_GID)
        which |= FC_SET_GID;
    return which ? fc_live_setattr(c->live, ino, &attr, which, NULL) : 0;
}

static int change_xattr(const struct change *c, uint64_t ino)
{
    int flags = (c->verb->flags & FC_VERB_NO_CLOBBER ? XATTR_CREATE : 0) |
                (c->verb->flags & FC_VERB_ONLY_REPLACE ? XATTR_REPLACE : 0);

    if (c->verb->flags & FC_VERB_REMOVE)
        return fc_live_removexattr(c->live, ino, c->verb->name);
    return fc_live_setxattr(c->live, ino, c->verb->name, c->verb->data ? c->verb->data : "", c->verb->size, flags);
}

static int change_one(const struct change *c, uint64_t ino, uint32_t mode)
{
    switch (c->verb->kind) {
    case FC_VERB_CHMOD:
        return S_ISLNK(mode) ? -EOPNOTSUPP : change_mode(c, ino);
    case FC_VERB_CHOWN:
        return change_owner(c, ino);
    default:
        return change_xattr(c, ino);
    }
}

/* Below the start symlinks are not followed: chown changes them, chmod passes by, as the tools do. */
static int visit(void *arg, const struct fc_visit *v)
{
    const struct change *c = arg;
    int r;

    if (v->leaving || (c->verb->kind == FC_VERB_CHMOD && S_ISLNK(v->mode)))
        return 0;
    r = change_one(c, v->ino, v->mode);
    return r == -ESTALE || r == -ENOENT ? 0 : r; /* removed by somebody meanwhile */
}

int fc_verb_attributes(struct fc_live *live, const struct fc_verb *verb, struct fc_error *err)
{
    static const char *const what[] = {
        [FC_VERB_CHMOD] = "change the mode of",
        [FC_VERB_CHOWN] = "change the owner of",
        [FC_VERB_XATTR] = "change the attributes of",
    };
    struct change c = {live, verb};
    struct fc_place place;
    uint32_t ignored;
    int r;

    if (verb->kind == FC_VERB_CHMOD && verb->mode_text && fc_mode_apply(verb->mode_text, 0, &ignored) < 0)
        return fc_fail(err, EINVAL, "mode \"%s\" is neither octal nor like \"u+x,go-w\"", verb->mode_text);
    r = fc_walk_verb(live, verb, verb->flags & FC_VERB_NO_FOLLOW ? 0 : FC_WALK_FOLLOW, &place);
    if (r == 0 && !place.exists)
        r = -ENOENT;
    if (r == 0)
        r = change_one(&c, place.attr.ino, place.attr.mode);
    if (r == 0 && (verb->flags & FC_VERB_RECURSIVE) && S_ISDIR(place.attr.mode))
        r = fc_visit_below(live, place.attr.ino, visit, &c);
    return r < 0 ? fc_verb_fail(err, -r, what[verb->kind], verb->path) : 0;
}
