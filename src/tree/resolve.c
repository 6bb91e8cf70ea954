/* SPDX-License-Identifier: Apache-2.0 */
/* Walk a path inside a tree that is being folded, through its symlinks, never out of its root. */
#include "tree/work.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

const char *fc_work_target(const struct fc_work *w, uint32_t object)
{
    const struct fc_work_object *o = &w->objects[object];
    const struct fc_layer_view *v = fc_layer_view(w->layers[o->layer].layer);

    return v->strings + v->inodes[o->layer_inode].target;
}

/* Put the symlink's text in front of what is left of the path: the rest begins at @at in w->path. */
static int splice_target(struct fc_work *w, uint32_t link, size_t *at)
{
    struct fc_buf joined = {0};
    int r = fc_buf_adds(&joined, fc_work_target(w, link));

    if (r == 0)
        r = fc_buf_add(&joined, "/", 1);
    if (r == 0)
        r = fc_buf_add(&joined, w->path.data + *at, w->path.len - *at);
    if (r < 0) {
        fc_buf_release(&joined);
        return r;
    }
    fc_buf_release(&w->path);
    w->path = joined;
    *at = 0;
    return 0;
}

static int make_directory(struct fc_work *w, uint32_t dir, const char *name, size_t len, uint32_t *ret)
{
    const char *copy = fc_arena_copy(w->arena, name, len);
    int r;

    if (!copy)
        return -ENOMEM;
    r = fc_work_add_object(w, FC_WORK_MADE_UP + w->n_made_up, FC_TREE_NONE, 0, S_IFDIR, ret);
    if (r < 0)
        return r;
    w->n_made_up++;
    return fc_work_put(w, dir, copy, len, *ret);
}

/* Whether anything but slashes comes behind @at. */
static bool more_follows(const struct fc_work *w, size_t at)
{
    return w->path.data[at + strspn(w->path.data + at, "/")] != '\0';
}

/* One step from the directory *at_dir to its child; *ret is what is there. */
static int step(struct fc_work *w, uint32_t dir, const char *name, size_t len, unsigned flags, uint32_t *ret)
{
    if (len == 1 && name[0] == '.') {
        *ret = dir;
        return 0;
    }
    if (len == 2 && name[0] == '.' && name[1] == '.') {
        *ret = w->objects[dir].parent;
        return 0;
    }
    *ret = fc_work_child(w, dir, name, len);
    if (*ret != FC_TREE_NONE)
        return 0;
    if (!(flags & FC_RESOLVE_CREATE))
        return -ENOENT;
    return len > FC_NAME_MAX ? -ENAMETOOLONG : make_directory(w, dir, name, len, ret);
}

int fc_work_resolve(struct fc_work *w, uint32_t dir, const char *path, unsigned flags, uint32_t *ret_object)
{
    uint32_t here = dir;
    size_t at = 0;
    int r, links = 0;

    fc_buf_clear(&w->path);
    r = fc_buf_adds(&w->path, path);
    if (r < 0)
        return r;
    if (path[0] == '/')
        here = 0;
    for (;;) {
        size_t start = at + strspn(w->path.data + at, "/");
        size_t len = strcspn(w->path.data + start, "/");
        uint32_t next;

        if (len == 0)
            break;
        if (!S_ISDIR(w->objects[here].type))
            return -ENOTDIR;
        at = start + len;
        r = step(w, here, w->path.data + start, len, flags, &next);
        if (r < 0)
            return r;
        if (!S_ISLNK(w->objects[next].type) || ((flags & FC_RESOLVE_NO_FOLLOW) && !more_follows(w, at))) {
            here = next;
            continue;
        }
        if (++links > FC_WORK_MAX_LINKS)
            return -ELOOP;
        if (!*fc_work_target(w, next))
            return -ENOENT;
        r = splice_target(w, next, &at);
        if (r < 0)
            return r;
        if (w->path.data[0] == '/')
            here = 0;
    }
    *ret_object = here;
    return 0;
}
