/* SPDX-License-Identifier: Apache-2.0 */
/* Write objects of a snapshot as tar entries: content from extents, holes kept, later names as hard links. */
#include "export/emit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/path.h"

enum { CHUNK = 1 << 18 };

int fc_emitter_init(struct fc_emitter *e, const struct fc_snapshot *s, fc_tar_sink sink, void *arg,
                    struct fc_error *err)
{
    uint32_t n;

    *e = (struct fc_emitter){.snapshot = s, .inodes = fc_snapshot_inodes(s, &n)};
    e->n_inodes = n;
    e->dentries = fc_snapshot_dentries(s, &n);
    e->extents = fc_snapshot_extents(s, &n);
    e->sources = fc_snapshot_sources(s, &n);
    e->xattrs = fc_snapshot_xattrs(s, &n);
    e->first_path = calloc((size_t)e->n_inodes + 1, sizeof(*e->first_path));
    e->buffer = malloc(CHUNK);
    if (!e->first_path || !e->buffer)
        return fc_fail_errno(err, ENOMEM, "cannot write the archive");
    return fc_tar_writer_new(sink, arg, &e->writer, err);
}

void fc_emitter_release(struct fc_emitter *e)
{
    fc_tar_writer_free(e->writer);
    free(e->first_path);
    free(e->runs);
    free(e->buffer);
    fc_arena_release(&e->arena);
    *e = (struct fc_emitter){0};
}

static int emit_run(struct fc_emitter *e, const struct fc_snap_extent *x, uint64_t length, const char *path,
                    struct fc_error *err)
{
    char show[256], file[512];

    for (uint64_t done = 0; done < length;) {
        size_t want = length - done < CHUNK ? (size_t)(length - done) : CHUNK;
        ssize_t n = fc_snap_source_read(&e->sources[x->source], e->buffer, want, x->source_offset + done);
        struct fc_block b = {.data = e->buffer, .size = want, .offset = x->offset + done};
        int r;

        if (n >= 0 && (size_t)n < want && e->sources[x->source].layer != FC_TREE_NONE)
            n = -EIO; /* a pack that was cut short */
        if (n < 0)
            return fc_fail_errno(err, (int)-n, "cannot read the content of \"/%s\" in %s",
                                 fc_name_show(show, sizeof(show), path, strlen(path)),
                                 fc_fd_path(e->sources[x->source].fd, file, sizeof(file)));
        /* A sparse data file may be shorter than its last block. */
        memset(e->buffer + n, 0, want - (size_t)n);
        r = fc_tar_writer_data(e->writer, &b, err);
        if (r < 0)
            return r;
        done += want;
    }
    return 0;
}

static int emit_file(struct fc_emitter *e, const struct fc_entry *entry, const struct fc_snap_inode *i,
                     struct fc_error *err)
{
    const struct fc_snap_extent *x = e->extents + i->first_extent;
    size_t n = 0;
    int r = fc_grow(&e->runs, &e->cap_runs, (size_t)i->n_extents + 1, sizeof(*e->runs));

    if (r < 0)
        return fc_fail_errno(err, -r, "cannot write the archive");
    for (uint32_t k = 0; k < i->n_extents; k++) {
        uint64_t end = x[k].offset + x[k].length < i->size ? x[k].offset + x[k].length : i->size;

        if (x[k].offset < end)
            e->runs[n++] = (struct fc_tar_extent){x[k].offset, end - x[k].offset};
    }
    if (i->size == 0)
        return fc_tar_writer_entry(e->writer, entry, err);
    r = fc_tar_writer_sparse_entry(e->writer, entry, e->runs, n, err);
    for (size_t k = 0; k < n && r == 0; k++)
        r = emit_run(e, &x[k], e->runs[k].length, entry->path, err);
    return r;
}

int fc_emit(struct fc_emitter *e, const char *path, uint32_t inode, struct fc_error *err)
{
    const struct fc_snap_inode *i = &e->inodes[inode];
    struct fc_entry entry = {.op = FC_ENTRY_ADD, .path = path};
    char show[256];

    fc_name_show(show, sizeof(show), path, strlen(path));
    if (S_ISSOCK(i->mode))
        return fc_fail(err, EOPNOTSUPP, "\"/%s\" is a socket, which a tar archive cannot hold", show);
    if (strlen(path) > FC_PATH_MAX)
        return fc_fail(err, ENAMETOOLONG, "\"/%s\" is too long a path for an archive", show);
    if (e->first_path[inode]) {
        entry.op = FC_ENTRY_HARDLINK;
        entry.target = e->first_path[inode];
        return fc_tar_writer_entry(e->writer, &entry, err);
    }
    if (!S_ISDIR(i->mode) && i->nlink > 1) {
        e->first_path[inode] = fc_arena_copy(&e->arena, path, strlen(path));
        if (!e->first_path[inode])
            return fc_fail_errno(err, ENOMEM, "cannot write the archive");
    }
    entry.mode = i->mode;
    entry.uid = i->uid;
    entry.gid = i->gid;
    entry.rdev_major = i->rdev_major;
    entry.rdev_minor = i->rdev_minor;
    entry.size = S_ISREG(i->mode) ? i->size : 0;
    entry.mtime = i->mtime;
    entry.target = i->target;
    entry.xattrs = e->xattrs + i->first_xattr;
    entry.n_xattrs = i->n_xattrs;
    return S_ISREG(i->mode) ? emit_file(e, &entry, i, err) : fc_tar_writer_entry(e->writer, &entry, err);
}

/* A directory under way. */
struct frame {
    uint32_t at, end; /* dentries */
    size_t path_len;
};

struct walk {
    struct fc_buf path;
    struct frame *frames;
    size_t n, cap;
};

static int enter(const struct fc_emitter *e, struct walk *w, uint32_t inode)
{
    const struct fc_snap_inode *i = &e->inodes[inode];
    int r = fc_grow(&w->frames, &w->cap, w->n + 1, sizeof(*w->frames));

    if (r == 0)
        w->frames[w->n++] = (struct frame){i->first_dentry, i->first_dentry + i->n_dentries, w->path.len};
    return r;
}

int fc_export_walk(const struct fc_emitter *e, int (*fn)(void *arg, const struct fc_export_name *name), void *arg)
{
    struct walk w = {0};
    int r = fc_buf_adds(&w.path, "");

    if (r == 0)
        r = fn(arg, &(struct fc_export_name){.path = w.path.data, .inode = 0});
    if (r == 0)
        r = enter(e, &w, 0);
    while (r >= 0 && w.n) {
        struct frame *f = &w.frames[w.n - 1];
        const struct fc_snap_dentry *d = &e->dentries[f->at];

        if (f->at == f->end) {
            w.n--;
            continue;
        }
        f->at++;
        w.path.len = f->path_len;
        r = f->path_len ? fc_buf_add(&w.path, "/", 1) : 0;
        if (r == 0)
            r = fc_buf_add(&w.path, d->name, d->name_len);
        if (r == 0)
            r = fn(arg, &(struct fc_export_name){w.path.data, w.path.len, d->inode});
        if (r == 0 && S_ISDIR(e->inodes[d->inode].mode))
            r = enter(e, &w, d->inode);
    }
    free(w.frames);
    fc_buf_release(&w.path);
    return r < 0 ? r : 0;
}
