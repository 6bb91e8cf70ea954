/* SPDX-License-Identifier: Apache-2.0 */
/* A live tree over test layers, with a store, and its snapshot as text. */
#ifndef TESTS_UNIT_LIVE_HELP_H
#define TESTS_UNIT_LIVE_HELP_H

#include "tree_help.h"

#include <fcntl.h>

#include "base/map.h"
#include "live/live.h"

/** A live tree in the test's folder. */
struct live_test {
    struct tree_test t;
    struct fc_edit *edit;
    struct fc_live *live;
    uint32_t ids[16];
    bool count_refs; /* as a mount does */
};

/** Fold the layers of lt->t and open a live tree over them, with an empty store. */
static inline void live_begin(struct live_test *lt)
{
    struct fc_live_options options = {.no_writer = true};
    char dir[100];
    size_t n;
    int r;

    snprintf(dir, sizeof(dir), "%s/.fccompose", lt->t.dir);
    r = fc_edit_create(dir, &lt->t.err);
    if (r == 0)
        r = fc_edit_open(dir, FC_EDIT_WRITE, &lt->edit, &lt->t.err);
    if (r == 0)
        r = fc_edit_begin(lt->edit, &lt->t.err);
    for (uint32_t i = 0; i < lt->t.n && r == 0; i++)
        r = fc_edit_layer_add(lt->edit, fc_layer_diffid(lt->t.layers[i].layer), "x", "x",
                              fc_layer_view(lt->t.layers[i].layer)->header->n_inodes, &lt->ids[i], &lt->t.err);
    if (r == 0)
        r = fc_edit_stack_set(lt->edit, lt->ids, lt->t.n, &lt->t.err);
    if (r == 0)
        r = fc_edit_commit(lt->edit, true, &lt->t.err);
    if (r < 0)
        print_message("%s\n", lt->t.err.msg);
    assert_int_equal(r, 0);
    const struct fc_edit_layer *rows = fc_edit_layers(lt->edit, &n);
    for (uint32_t i = 0; i < lt->t.n; i++)
        lt->t.layers[i].first_ino = rows[i].first_ino;
    assert_int_equal(tree_fold(&lt->t, NULL), 0);
    options.tree = lt->t.tree;
    options.layer_ids = lt->ids;
    options.edit = lt->edit;
    options.count_refs = lt->count_refs;
    r = fc_live_open(&options, &lt->live, &lt->t.err);
    if (r < 0)
        print_message("%s\n", lt->t.err.msg);
    assert_int_equal(r, 0);
}

static inline void live_end(struct live_test *lt)
{
    fc_live_free(lt->live);
    fc_edit_free(lt->edit);
    tree_end(&lt->t);
}

static inline void snap_list(const struct fc_snapshot *s, uint32_t dir, const char *prefix, bool full,
                             struct fc_buf *out, uint32_t *groups, uint32_t *last)
{
    uint32_t n;
    const struct fc_snap_inode *inodes = fc_snapshot_inodes(s, &n), *d = &inodes[dir];
    const struct fc_snap_dentry *e = fc_snapshot_dentries(s, &n) + d->first_dentry;

    for (uint32_t i = 0; i < d->n_dentries; i++) {
        const struct fc_snap_inode *o = &inodes[e[i].inode];
        char path[4096], type = S_ISDIR(o->mode) ? 'd' : S_ISREG(o->mode) ? 'f' : S_ISLNK(o->mode) ? 'l' : 'o';

        snprintf(path, sizeof(path), "%s%.*s", prefix, (int)e[i].name_len, e[i].name);
        fc_buf_addf(out, "%c %s", type, path);
        if (full) {
            fc_buf_addf(out, " %o %u:%u %u:%u %lld.%09ld %llu", o->mode, o->uid, o->gid, o->rdev_major, o->rdev_minor,
                        (long long)o->mtime.tv_sec, o->mtime.tv_nsec, (unsigned long long)o->size);
            for (uint32_t k = 0; k < o->n_xattrs; k++) {
                const struct fc_xattr *x = &fc_snapshot_xattrs(s, &n)[o->first_xattr + k];

                fc_buf_addf(out, " %s=%.*s", x->name, (int)x->size, (const char *)x->value);
            }
        }
        if (S_ISLNK(o->mode))
            fc_buf_addf(out, " -> %s", o->target);
        if (S_ISREG(o->mode) && o->size) {
            char *content = calloc(o->size + 1, 1);

            for (uint32_t k = 0; k < o->n_extents; k++) {
                const struct fc_snap_extent *x = &fc_snapshot_extents(s, &n)[o->first_extent + k];
                uint64_t len = x->offset + x->length < o->size ? x->length : o->size - x->offset;

                assert_true(fc_pread_full(fc_snapshot_sources(s, &n)[x->source].fd, content + x->offset, len,
                                          x->source_offset) >= 0);
            }
            if (o->size < 100 && strlen(content) == o->size)
                fc_buf_addf(out, " '%s'", content);
            else
                fc_buf_addf(out, " #%016llx", (unsigned long long)fc_hash(0, content, o->size));
            free(content);
        }
        if (!S_ISDIR(o->mode) && o->nlink > 1) {
            if (!groups[e[i].inode])
                groups[e[i].inode] = ++*last;
            fc_buf_addf(out, " =%u/%u", groups[e[i].inode], o->nlink);
        }
        fc_buf_addf(out, "\n");
        if (S_ISDIR(o->mode)) {
            strcat(path, "/");
            snap_list(s, e[i].inode, path, full, out, groups, last);
        }
    }
}

/** The whole snapshot as text; @full with all attributes. */
static inline void snap_text(const struct fc_snapshot *s, bool full, struct fc_buf *out)
{
    uint32_t n, last = 0;
    uint32_t *groups;

    fc_snapshot_inodes(s, &n);
    if (full) {
        const struct fc_snap_inode *root = fc_snapshot_inodes(s, &n);

        fc_buf_addf(out, "root %o %u:%u %lld.%09ld\n", root->mode, root->uid, root->gid, (long long)root->mtime.tv_sec,
                    root->mtime.tv_nsec);
    }
    groups = calloc(n, sizeof(*groups));
    fc_buf_adds(out, "");
    snap_list(s, 0, "", full, out, groups, &last);
    free(groups);
}

/** A descriptor that gives these bytes. */
static inline int live_fd_of(const char *text)
{
    char path[] = "/tmp/fc-text-XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(fc_write_full(fd, text, strlen(text)), 0);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

/** Compare the live tree with a text: type, path, link text, content, link group. */
static inline void live_expect(struct live_test *lt, const char *want)
{
    struct fc_snapshot *s = NULL;
    struct fc_buf out = {0};

    assert_int_equal(fc_live_snapshot(lt->live, &s, &lt->t.err), 0);
    snap_text(s, false, &out);
    assert_string_equal(out.data, want);
    fc_buf_release(&out);
    fc_snapshot_free(s);
}

#endif
