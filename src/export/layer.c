/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The difference that edits make as an OCI layer.
 *
 * What is written is chosen so that other tools get the same tree, also those that unpack a layer without the ones below
 * it: a directory whose names went gets a whiteout for each (never an opaque mark, because the diff names them all); the
 * directories above a change are written with their attributes; and of a file with several names, one of which is new or
 * whose content changed, all names are written, the first with the content, so that no hard link leads out of the layer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "entry/entry.h"
#include "export/emit.h"

/* A whiteout and the directory that it stands in. */
struct gone {
    uint32_t dir;
    const char *path;
};

struct job {
    struct fc_emitter emitter;
    const struct fc_tree_inode *lower;
    bool *write; /* by inode of the snapshot: must be in the layer */
    struct gone *gone;
    size_t n_gone;
    struct fc_error *err;
};

/* Whether the object must be written, or whether the layers below give it as it is, but for other names of it. */
static bool is_new(const struct job *j, const struct fc_change *c)
{
    if (c->kind != FC_CHANGE_MODIFIED || (c->what & ~(unsigned)FC_CHANGED_LINKS))
        return true;
    return j->lower[c->lower].ino != j->emitter.inodes[c->now].ino;
}

/* The directory itself and those above it. */
static void mark_up(struct job *j, uint32_t dir)
{
    while (dir != FC_TREE_NONE && !j->write[dir]) {
        j->write[dir] = true;
        dir = dir ? j->emitter.inodes[dir].parent : FC_TREE_NONE;
    }
}

/* Index of the directory that holds @path. */
static int find_dir(const struct job *j, const char *path, uint32_t *ret)
{
    const char *slash = strrchr(path, '/');
    char *dir;

    *ret = 0;
    if (!slash)
        return 0;
    dir = strndup(path, (size_t)(slash - path));
    if (!dir)
        return -ENOMEM;
    *ret = fc_snapshot_find(j->emitter.snapshot, dir);
    free(dir);
    return *ret == FC_TREE_NONE ? -EINVAL : 0;
}

static int take_change(struct job *j, const struct fc_change *c)
{
    uint32_t dir;
    int r;

    if (c->kind != FC_CHANGE_DELETED) {
        if (is_new(j, c) && S_ISDIR(j->emitter.inodes[c->now].mode))
            mark_up(j, c->now);
        else if (is_new(j, c))
            j->write[c->now] = true;
        return 0;
    }
    r = find_dir(j, c->path, &dir);
    if (r < 0)
        return r;
    j->gone[j->n_gone++] = (struct gone){dir, c->path};
    mark_up(j, dir);
    return 0;
}

static int by_dir(const void *a, const void *b)
{
    const struct gone *x = a, *y = b;

    if (x->dir != y->dir)
        return x->dir < y->dir ? -1 : 1;
    return strcmp(x->path, y->path);
}

static int plan(struct job *j, const struct fc_diff *d)
{
    const struct fc_emitter *e = &j->emitter;
    size_t n;
    const struct fc_change *changes = fc_diff_changes(d, &n);
    int r = 0;

    j->write = calloc((size_t)e->n_inodes + 1, sizeof(*j->write));
    j->gone = calloc(n + 1, sizeof(*j->gone));
    if (!j->write || !j->gone)
        return -ENOMEM;
    for (size_t i = 0; i < n && r == 0; i++)
        r = take_change(j, &changes[i]);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < e->n_inodes; i++) {
        const struct fc_snap_inode *dir = &e->inodes[i];

        for (uint32_t k = 0; S_ISDIR(dir->mode) && k < dir->n_dentries; k++) {
            uint32_t child = e->dentries[dir->first_dentry + k].inode;

            if (j->write[child] && !S_ISDIR(e->inodes[child].mode))
                mark_up(j, i);
        }
    }
    if (j->n_gone)
        qsort(j->gone, j->n_gone, sizeof(*j->gone), by_dir);
    return 0;
}

/* A name that means something else in an OCI layer. */
static int refuse_reserved(const struct job *j, const char *path)
{
    char show[256];

    if (fc_whiteout_classify(path, NULL) == FC_WHITEOUT_NONE)
        return 0;
    return fc_fail(j->err, EOPNOTSUPP, "\"/%s\" begins with \".wh.\", which in an OCI layer means a removed file",
                   fc_name_show(show, sizeof(show), path, strlen(path)));
}

static int emit_whiteouts(struct job *j, uint32_t dir)
{
    size_t low = 0, high = j->n_gone;
    int r = 0;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (j->gone[mid].dir < dir)
            low = mid + 1;
        else
            high = mid;
    }
    for (; low < j->n_gone && j->gone[low].dir == dir && r == 0; low++) {
        struct fc_entry e = {.op = FC_ENTRY_WHITEOUT, .path = j->gone[low].path};

        r = refuse_reserved(j, e.path);
        if (r == 0)
            r = fc_tar_writer_entry(j->emitter.writer, &e, j->err);
    }
    return r;
}

static int emit_name(void *arg, const struct fc_export_name *name)
{
    struct job *j = arg;
    int r;

    if (!j->write[name->inode])
        return 1; /* a directory that is not marked holds nothing that is */
    r = name->path_len ? refuse_reserved(j, name->path) : 0;
    if (r == 0)
        r = fc_emit(&j->emitter, name->path, name->inode, j->err);
    if (r == 0 && S_ISDIR(j->emitter.inodes[name->inode].mode))
        r = emit_whiteouts(j, name->inode);
    return r;
}

int fc_export_layer(const struct fc_snapshot *s, const struct fc_tree *tree, const struct fc_diff *d, fc_tar_sink sink,
                    void *arg, struct fc_error *err)
{
    struct job j = {.lower = fc_tree_inodes(tree, NULL), .err = err};
    int r = fc_emitter_init(&j.emitter, s, sink, arg, err);

    if (r == 0) {
        r = plan(&j, d);
        if (r == 0)
            r = fc_export_walk(&j.emitter, emit_name, &j);
        if (r == -ENOMEM)
            fc_fail_errno(err, ENOMEM, "cannot write the layer");
    }
    if (r == 0)
        r = fc_tar_writer_finish(j.emitter.writer, err);
    free(j.write);
    free(j.gone);
    fc_emitter_release(&j.emitter);
    return r;
}
