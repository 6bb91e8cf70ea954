/* SPDX-License-Identifier: Apache-2.0 */
/* Iterators that wrap another one: whiteout names, owner, prefix. */
#include "entry/entry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"

struct filter {
    struct fc_entry_iter base;
    struct fc_entry_iter *inner;
    /* Changes @entry, a copy of the inner iterator's. Returns 1 to give it out, 0 to drop it, or -errno. */
    int (*change)(struct filter *f, struct fc_error *err);
    struct fc_entry entry;
    struct fc_buf path, target;
    char *prefix;
    uint32_t uid, gid;
};

static int filter_next(struct fc_entry_iter *it, const struct fc_entry **ret_entry, struct fc_error *err)
{
    struct filter *f = (struct filter *)it;

    for (;;) {
        const struct fc_entry *e;
        int r = fc_entry_next(f->inner, &e, err);

        if (r <= 0)
            return r;
        f->entry = *e;
        r = f->change(f, err);
        if (r < 0)
            return r;
        if (r > 0) {
            *ret_entry = &f->entry;
            return 1;
        }
    }
}

static int filter_read(struct fc_entry_iter *it, struct fc_block *ret_block, struct fc_error *err)
{
    return fc_entry_read(((struct filter *)it)->inner, ret_block, err);
}

static void filter_free(struct fc_entry_iter *it)
{
    struct filter *f = (struct filter *)it;

    fc_entry_iter_free(f->inner);
    fc_buf_release(&f->path);
    fc_buf_release(&f->target);
    free(f->prefix);
    free(f);
}

/* @inner is owned from here on, also on failure. */
static struct filter *filter_new(struct fc_entry_iter *inner, int (*change)(struct filter *, struct fc_error *),
                                 struct fc_error *err)
{
    struct filter *f = calloc(1, sizeof(*f));

    if (!f) {
        fc_entry_iter_free(inner);
        fc_fail(err, ENOMEM, "out of memory");
        return NULL;
    }
    f->base =
        (struct fc_entry_iter){.next = filter_next, .read = filter_read, .free = filter_free, .label = inner->label};
    f->inner = inner;
    f->change = change;
    return f;
}

static int entry_fail(const struct filter *f, const char *what, struct fc_error *err)
{
    const struct fc_entry *e = &f->entry;
    const char *label = f->base.label;
    char show[200];

    return fc_fail(err, EBADMSG, "%s%sentry \"%s\" at offset %llu: %s", label ? label : "", label ? ": " : "",
                   fc_name_show(show, sizeof(show), e->path, strlen(e->path)), (unsigned long long)e->offset, what);
}

/* What lies below a whiteout name: 1 for nothing of the kind, 0 to drop (AUFS's own folders), or -EBADMSG. */
static int check_parents(const struct filter *f, struct fc_error *err)
{
    for (const char *p = f->entry.path, *slash; (slash = strchr(p, '/')) != NULL; p = slash + 1) {
        if (strncmp(p, ".wh.", 4) != 0)
            continue;
        if (strncmp(p + 4, ".wh.", 4) == 0 && strncmp(p, ".wh..wh..opq/", 13) != 0)
            return 0;
        return entry_fail(f, "lies below a whiteout", err);
    }
    return 1;
}

/* Turn the entry into a mark on the path that the filter has put together. */
static void become_mark(struct filter *f, enum fc_entry_op op)
{
    f->entry = (struct fc_entry){.op = op, .path = f->path.data, .mtime = f->entry.mtime, .offset = f->entry.offset};
}

static int change_whiteout(struct filter *f, struct fc_error *err)
{
    struct fc_entry *e = &f->entry;
    const char *slash = strrchr(e->path, '/'), *name;
    size_t parent = slash ? (size_t)(slash - e->path) : 0;
    int r;

    if (e->op != FC_ENTRY_ADD && e->op != FC_ENTRY_HARDLINK)
        return 1;
    r = check_parents(f, err);
    if (r <= 0)
        return r;
    fc_buf_clear(&f->path);
    switch (fc_whiteout_classify(e->path, &name)) {
    case FC_WHITEOUT_FILE:
        if (fc_buf_add(&f->path, e->path, parent) < 0 || (slash && fc_buf_add(&f->path, "/", 1) < 0) ||
            fc_buf_adds(&f->path, name) < 0)
            return fc_fail(err, ENOMEM, "out of memory");
        become_mark(f, FC_ENTRY_WHITEOUT);
        return 1;
    case FC_WHITEOUT_OPAQUE:
        if (fc_buf_add(&f->path, e->path, parent) < 0)
            return fc_fail(err, ENOMEM, "out of memory");
        become_mark(f, FC_ENTRY_OPAQUE);
        return 1;
    case FC_WHITEOUT_META:
        return 0;
    case FC_WHITEOUT_BAD:
        return entry_fail(f, "a whiteout that names nothing", err);
    case FC_WHITEOUT_NONE:
        break;
    }
    return 1;
}

int fc_filter_whiteouts(struct fc_entry_iter *inner, struct fc_entry_iter **ret, struct fc_error *err)
{
    struct filter *f = filter_new(inner, change_whiteout, err);

    if (!f)
        return -ENOMEM;
    *ret = &f->base;
    return 0;
}

static int change_owner(struct filter *f, struct fc_error *err)
{
    (void)err;
    f->entry.uid = f->uid;
    f->entry.gid = f->gid;
    return 1;
}

int fc_filter_owner(struct fc_entry_iter *inner, uint32_t uid, uint32_t gid, struct fc_entry_iter **ret,
                    struct fc_error *err)
{
    struct filter *f = filter_new(inner, change_owner, err);

    if (!f)
        return -ENOMEM;
    f->uid = uid;
    f->gid = gid;
    *ret = &f->base;
    return 0;
}

static int join(struct filter *f, const char *path, struct fc_buf *ret, struct fc_error *err)
{
    fc_buf_clear(ret);
    if (strlen(f->prefix) + strlen(path) + 1 > FC_PATH_MAX)
        return entry_fail(f, "the path is too long with the prefix", err);
    if (fc_buf_adds(ret, f->prefix) < 0 || (*f->prefix && *path && fc_buf_add(ret, "/", 1) < 0) ||
        fc_buf_adds(ret, path) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    return 0;
}

static int change_prefix(struct filter *f, struct fc_error *err)
{
    struct fc_entry *e = &f->entry;
    int r = join(f, e->path, &f->path, err);

    if (r == 0 && e->op == FC_ENTRY_HARDLINK)
        r = join(f, e->target, &f->target, err);
    if (r < 0)
        return r;
    e->path = f->path.data;
    if (e->op == FC_ENTRY_HARDLINK)
        e->target = f->target.data;
    return 1;
}

int fc_filter_prefix(struct fc_entry_iter *inner, const char *prefix, struct fc_entry_iter **ret, struct fc_error *err)
{
    struct filter *f = filter_new(inner, change_prefix, err);

    if (!f)
        return -ENOMEM;
    f->prefix = strdup(prefix);
    if (!f->prefix) {
        filter_free(&f->base);
        return fc_fail(err, ENOMEM, "out of memory");
    }
    *ret = &f->base;
    return 0;
}
