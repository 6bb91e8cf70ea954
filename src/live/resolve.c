/* SPDX-License-Identifier: Apache-2.0 */
/* Find the place of a path in the live tree, through symlinks, never out of its root. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "live/verb_internal.h"

#define ROOT 1u
/* As many as the kernel follows in one path. */
enum { MAX_LINKS = 40 };

int fc_peek(struct fc_live *live, uint64_t dir, const char *name, size_t len, struct fc_attr *ret)
{
    int r = fc_live_lookup(live, dir, name, len, ret);

    if (r == 0)
        fc_live_forget(live, ret->ino, 1);
    return r;
}

/* A walk under way: @here is a directory, @rest + @at what is left of the path. */
struct walk {
    struct fc_live *live;
    unsigned flags;
    uint64_t here;
    struct fc_buf rest;
    size_t at;
    int links;
};

static bool more_follows(const struct walk *w)
{
    return w->rest.data[w->at + strspn(w->rest.data + w->at, "/")] != '\0';
}

/* Go on with the text of symlink @ino, then what is left of the path. */
static int follow(struct walk *w, uint64_t ino)
{
    struct fc_buf text = {0};
    int r = ++w->links > MAX_LINKS ? -ELOOP : fc_live_readlink(w->live, ino, &text);

    if (r == 0 && text.len == 0)
        r = -ENOENT;
    if (r == 0)
        r = fc_buf_adds(&text, w->rest.data + w->at);
    if (r < 0) {
        fc_buf_release(&text);
        return r;
    }
    fc_buf_release(&w->rest);
    w->rest = text;
    w->at = 0;
    if (text.data[0] == '/')
        w->here = ROOT;
    return 0;
}

static int make_parent(struct walk *w, const char *name, size_t len, struct fc_attr *ret)
{
    static const struct fc_cred root;
    int r = fc_live_mknod(w->live, w->here, name, len, S_IFDIR | 0755, 0, 0, 0, &root, ret);

    if (r == 0)
        fc_live_forget(w->live, ret->ino, 1);
    return r;
}

/* The root or what "." and ".." lead to: a place without a name. */
static int arrive(struct walk *w, struct fc_place *ret)
{
    ret->dir = w->here;
    ret->len = 0;
    ret->name[0] = '\0';
    ret->exists = true;
    return fc_live_getattr(w->live, w->here, &ret->attr);
}

/* One component. Returns 1 when the walk goes on, 0 when *ret is the result. */
static int step(struct walk *w, const char *name, size_t len, struct fc_place *ret)
{
    bool last = !more_follows(w), slash = w->rest.data[w->at] == '/';
    int r;

    if (len == 1 && name[0] == '.')
        return last ? arrive(w, ret) : 1;
    if (len == 2 && memcmp(name, "..", 2) == 0) {
        uint64_t up = fc_live_parent(w->live, w->here);

        w->here = up ? up : ROOT;
        return last ? arrive(w, ret) : 1;
    }
    if (len > FC_NAME_MAX)
        return -ENAMETOOLONG;
    ret->dir = w->here;
    memcpy(ret->name, name, len);
    ret->name[len] = '\0';
    ret->len = len;
    r = fc_peek(w->live, w->here, name, len, &ret->attr);
    if (r == -ENOENT && last) {
        ret->exists = false;
        return 0;
    }
    if (r == -ENOENT && (w->flags & FC_WALK_PARENTS))
        r = make_parent(w, name, len, &ret->attr);
    if (r < 0)
        return r;
    if (S_ISLNK(ret->attr.mode) && (!last || slash || (w->flags & FC_WALK_FOLLOW))) {
        r = follow(w, ret->attr.ino);
        if (r < 0)
            return r;
        return more_follows(w) ? 1 : arrive(w, ret);
    }
    if (!S_ISDIR(ret->attr.mode) && (!last || slash))
        return -ENOTDIR;
    ret->exists = true;
    w->here = ret->attr.ino;
    return last ? 0 : 1;
}

int fc_walk(struct fc_live *live, uint64_t dir, const char *path, unsigned flags, struct fc_place *ret)
{
    struct walk w = {.live = live, .flags = flags, .here = path[0] == '/' ? ROOT : dir};
    int r = fc_buf_adds(&w.rest, path);

    if (r == 0)
        r = more_follows(&w) ? 1 : arrive(&w, ret);
    while (r > 0) {
        size_t start = w.at + strspn(w.rest.data + w.at, "/");
        size_t len = strcspn(w.rest.data + start, "/");

        w.at = start + len;
        r = step(&w, w.rest.data + start, len, ret);
    }
    fc_buf_release(&w.rest);
    return r;
}

int fc_walk_verb(struct fc_live *live, const struct fc_verb *verb, unsigned flags, struct fc_place *ret)
{
    return fc_walk(live, verb->at ? verb->at : ROOT, verb->path, flags, ret);
}

int fc_place_below(struct fc_live *live, struct fc_place *place, const char *name, size_t len)
{
    int r;

    if (len == 0)
        return 0;
    if (len > FC_NAME_MAX)
        return -ENAMETOOLONG;
    place->dir = place->attr.ino;
    memcpy(place->name, name, len);
    place->name[len] = '\0';
    place->len = len;
    r = fc_peek(live, place->dir, name, len, &place->attr);
    place->exists = r == 0;
    return r == -ENOENT ? 0 : r;
}

const char *fc_last_component(const char *path, size_t *ret_len)
{
    const char *end = path + strlen(path), *start;

    while (end > path && end[-1] == '/')
        end--;
    start = end;
    while (start > path && start[-1] != '/')
        start--;
    *ret_len = (size_t)(end - start);
    if ((*ret_len == 1 && *start == '.') || (*ret_len == 2 && memcmp(start, "..", 2) == 0))
        *ret_len = 0;
    return start;
}

int fc_live_resolve(struct fc_live *live, const char *path, bool follow_last, struct fc_attr *ret, struct fc_error *err)
{
    struct fc_place place;
    int r = fc_walk(live, ROOT, path, follow_last ? FC_WALK_FOLLOW : 0, &place);

    if (r == 0 && !place.exists)
        r = -ENOENT;
    if (r < 0)
        return fc_verb_fail(err, -r, "find", path);
    *ret = place.attr;
    return 0;
}
