/* SPDX-License-Identifier: Apache-2.0 */
/* Contents in the live tree: partial copy-up, holes, sizes, pins, snapshots, and what other processes see. */
#include "live_world.h"

#include <errno.h>
#include <linux/falloc.h>

static const struct lower_file *lower_named(const char *path)
{
    for (size_t i = 0; i < sizeof(layer_one) / sizeof(*layer_one); i++)
        if (strcmp(layer_one[i].path, path) == 0)
            return &layer_one[i];
    return NULL;
}

/* A model of one file beside the real one. */
struct model {
    unsigned char *data;
    uint64_t size;
};

enum { MODEL_MAX = 4 << 20 };

static struct model model_of_lower(const char *path)
{
    const struct lower_file *f = lower_named(path);
    struct model m = {calloc(1, MODEL_MAX), f->size};

    for (uint64_t i = 0; i < f->size; i++)
        m.data[i] = lower_byte(f, i);
    return m;
}

static void assert_same(struct world *w, uint64_t ino, const struct model *m)
{
    unsigned char *buffer = malloc(MODEL_MAX + 1);
    ssize_t n = fc_live_read(w->live, ino, buffer, MODEL_MAX + 1, 0);

    assert_int_equal(n, m->size);
    if (memcmp(buffer, m->data, m->size) != 0)
        for (uint64_t i = 0; i < m->size; i++)
            if (buffer[i] != m->data[i])
                fail_msg("byte %llu is %u and not %u", (unsigned long long)i, buffer[i], m->data[i]);
    free(buffer);
}

static void write_both(struct world *w, uint64_t ino, struct model *m, unsigned char fill, size_t size, uint64_t offset)
{
    unsigned char *bytes = malloc(size + 1);

    memset(bytes, fill, size + 1);
    assert_int_equal(fc_live_write(w->live, ino, bytes, size, offset, 0), size);
    memcpy(m->data + offset, bytes, size);
    if (offset + size > m->size)
        m->size = offset + size;
    free(bytes);
}

static void truncate_both(struct world *w, uint64_t ino, struct model *m, uint64_t size)
{
    struct fc_attr a = {.size = size};

    assert_int_equal(fc_live_setattr(w->live, ino, &a, FC_SET_SIZE, NULL), 0);
    if (size < m->size)
        memset(m->data + size, 0, m->size - size);
    m->size = size;
}

/* Whether a snapshot shows @m, and its promises about extents hold. */
static void assert_snapshot(const struct fc_snapshot *s, const char *path, const struct model *m)
{
    uint32_t n, index = fc_snapshot_find(s, path);
    const struct fc_snap_inode *inode = &fc_snapshot_inodes(s, &n)[index];
    const struct fc_snap_extent *e = fc_snapshot_extents(s, &n);
    const struct fc_snap_source *sources = fc_snapshot_sources(s, &n);
    unsigned char *got = calloc(1, MODEL_MAX), tail[4096];
    uint64_t end = 0;

    assert_int_not_equal(index, FC_TREE_NONE);
    assert_int_equal(inode->size, m->size);
    e += inode->first_extent;
    for (uint32_t i = 0; i < inode->n_extents; i++, e++) {
        uint64_t rest = (4096 - e->length % 4096) % 4096;

        assert_true(e->offset % 4096 == 0 && e->source_offset % 4096 == 0 && e->offset >= end);
        assert_true(rest == 0 || i == inode->n_extents - 1);
        end = e->offset + e->length;
        assert_true(end <= m->size && e->source < n);
        assert_int_equal(fc_pread_full(sources[e->source].fd, got + e->offset, e->length, e->source_offset), e->length);
        memset(tail, 0, sizeof(tail));
        assert_true(fc_pread_full(sources[e->source].fd, tail, rest, e->source_offset + e->length) >= 0);
        for (uint64_t k = 0; k < rest; k++)
            assert_int_equal(tail[k], 0);
    }
    assert_memory_equal(got, m->data, m->size);
    free(got);
}

static void touched_blocks_only(void **state)
{
    struct world *w = *state;
    uint64_t big = ino_at(w, "big");
    struct model m = model_of_lower("big");
    struct fc_live_stat st;

    assert_same(w, big, &m);
    write_both(w, big, &m, 'a', 10, 5000);
    fc_live_stat(w->live, &st);
    assert_int_equal(st.data_bytes, 4096);
    assert_same(w, big, &m);
    write_both(w, big, &m, 'b', 5000, 120 * 4096 + 1000); /* in the hole */
    write_both(w, big, &m, 'c', 100, 3000000);            /* over the end */
    write_both(w, big, &m, 'd', 8192, 3500000);           /* behind it */
    fc_live_stat(w->live, &st);
    assert_int_equal(st.data_bytes, 4096 + 2 * 4096 + 4096 + 3 * 4096);
    assert_same(w, big, &m);
    world_reopen(w);
    assert_same(w, big, &m);
    fc_live_stat(w->live, &st);
    assert_int_equal(st.data_bytes, 10 * 4096 - 3 * 4096);
    assert_int_equal(at(w, "big").blocks % 8, 0);
    free(m.data);
}

static void shrink_and_grow(void **state)
{
    struct world *w = *state;
    uint64_t big = ino_at(w, "big"), busybox = ino_at(w, "bin/busybox");
    struct model m = model_of_lower("big"), b = model_of_lower("bin/busybox");

    truncate_both(w, big, &m, 4096 * 3 + 17);
    truncate_both(w, big, &m, 4096 * 5);
    assert_same(w, big, &m);
    write_both(w, big, &m, 'x', 9000, 4096 * 4);
    truncate_both(w, big, &m, 4096 * 4 + 1);
    truncate_both(w, big, &m, 100000);
    assert_same(w, big, &m);
    truncate_both(w, busybox, &b, 0);
    truncate_both(w, busybox, &b, 10);
    world_reopen(w);
    assert_same(w, big, &m);
    assert_same(w, busybox, &b);
    assert_int_equal(at(w, "bin/busybox").blocks, 0);
    free(m.data);
    free(b.data);
}

static void limits(void **state)
{
    struct world *w = *state;
    uint64_t f = make(w, 1, "f", S_IFREG | 0644);
    struct fc_attr a = {.size = UINT64_C(5) << 30};

    assert_int_equal(fc_live_setattr(w->live, f, &a, FC_SET_SIZE, NULL), 0);
    write_text(w, f, "end", (UINT64_C(5) << 30) - 3);
    write_text(w, f, "far", UINT64_C(1) << 43);
    assert_int_equal(fc_live_write(w->live, f, "x", 1, UINT64_C(1) << 44, 0), -EFBIG);
    assert_int_equal(fc_live_write(w->live, f, "x", 1, UINT64_MAX, 0), -EFBIG);
    a.size = UINT64_MAX;
    assert_int_equal(fc_live_setattr(w->live, f, &a, FC_SET_SIZE, NULL), -EFBIG);
    world_reopen(w);
    assert_text(w, f, "end", (UINT64_C(5) << 30) - 3);
    assert_text(w, f, "far", UINT64_C(1) << 43);
    assert_int_equal(at(w, "f").size, (UINT64_C(1) << 43) + 3);
    assert_int_equal(at(w, "f").blocks, 16);
    assert_int_equal(fc_live_read(w->live, ino_at(w, "etc"), &a, 1, 0), -EISDIR);
    assert_int_equal(fc_live_read(w->live, ino_at(w, "dev/null"), &a, 1, 0), -EINVAL);
    assert_int_equal(fc_live_read(w->live, f, &a, 1, UINT64_MAX), 0);
}

static void data_and_holes(void **state)
{
    struct world *w = *state;
    uint64_t big = ino_at(w, "big"), f = make(w, 1, "f", S_IFREG | 0644);

    assert_int_equal(fc_live_lseek(w->live, big, 0, SEEK_HOLE), 100 * 4096);
    assert_int_equal(fc_live_lseek(w->live, big, 150 * 4096 + 1, SEEK_DATA), 300 * 4096);
    assert_int_equal(fc_live_lseek(w->live, big, 300 * 4096, SEEK_HOLE), 3000001);
    assert_int_equal(fc_live_lseek(w->live, big, 3000001, SEEK_HOLE), -ENXIO);
    write_text(w, big, "x", 200 * 4096);
    assert_int_equal(fc_live_lseek(w->live, big, 150 * 4096, SEEK_DATA), 200 * 4096);
    write_text(w, f, "x", 10 * 4096);
    assert_int_equal(fc_live_lseek(w->live, f, 0, SEEK_DATA), 10 * 4096);
    assert_int_equal(fc_live_lseek(w->live, f, 0, SEEK_HOLE), 0);
    assert_int_equal(fc_live_lseek(w->live, f, 0, SEEK_SET), -EINVAL);
}

static void allocate_and_punch(void **state)
{
    struct world *w = *state;
    uint64_t big = ino_at(w, "big"), f = make(w, 1, "f", S_IFREG | 0644);
    struct model m = model_of_lower("big");

    assert_int_equal(fc_live_fallocate(w->live, f, 0, 0, 100000), 0);
    assert_int_equal(at(w, "f").size, 100000);
    assert_int_equal(at(w, "f").blocks, 25 * 8);
    assert_int_equal(fc_live_fallocate(w->live, f, FALLOC_FL_KEEP_SIZE, 0, 200000), 0);
    assert_int_equal(at(w, "f").size, 100000);
    assert_int_equal(fc_live_fallocate(w->live, f, FALLOC_FL_COLLAPSE_RANGE, 0, 4096), -EOPNOTSUPP);
    assert_int_equal(fc_live_fallocate(w->live, f, 0, 0, 0), -EINVAL);
    assert_int_equal(fc_live_fallocate(w->live, big, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 5000, 20000), 0);
    memset(m.data + 5000, 0, 20000);
    assert_int_equal(fc_live_fallocate(w->live, big, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 50000, 100), 0);
    memset(m.data + 50000, 0, 100);
    assert_int_equal(fc_live_fallocate(w->live, big, FALLOC_FL_ZERO_RANGE, 2999000, 5000), 0);
    memset(m.data + 2999000, 0, 5000);
    m.size = 3004000;
    assert_same(w, big, &m);
    assert_int_equal(fc_live_lseek(w->live, big, 0, SEEK_HOLE), 8192);
    world_reopen(w);
    assert_same(w, big, &m);
    assert_int_equal(at(w, "f").blocks, 49 * 8);
    free(m.data);
}

static void copies_keep_holes(void **state)
{
    struct world *w = *state;
    uint64_t big = ino_at(w, "big"), f = make(w, 1, "f", S_IFREG | 0644);
    struct model m = model_of_lower("big");

    write_text(w, f, "will be covered", 150 * 4096);
    assert_int_equal(fc_live_copy(w->live, big, 0, f, 0, MODEL_MAX), 3000001);
    assert_same(w, f, &m);
    assert_int_equal(fc_live_lseek(w->live, f, 0, SEEK_HOLE), 100 * 4096);
    assert_int_equal(fc_live_copy(w->live, big, 0, big, 10, 100), -EINVAL);
    assert_int_equal(fc_live_copy(w->live, ino_at(w, "etc"), 0, f, 0, 1), -EISDIR);
    free(m.data);
}

static void growing_file_has_few_extents(void **state)
{
    struct world *w = *state;
    uint64_t a = make(w, 1, "a", S_IFREG | 0644), b = make(w, 1, "b", S_IFREG | 0644);
    char chunk[1000] = "x";
    struct fc_snapshot *s;
    uint32_t n;

    /* Two files that grow by turns. */
    for (int i = 0; i < 2000; i++) {
        assert_int_equal(fc_live_write(w->live, a, chunk, sizeof(chunk), (uint64_t)i * 1000, 0), 1000);
        assert_int_equal(fc_live_write(w->live, b, chunk, sizeof(chunk), (uint64_t)i * 1000, 0), 1000);
    }
    assert_int_equal(fc_live_snapshot(w->live, &s, NULL), 0);
    assert_true(fc_snapshot_inodes(s, &n)[fc_snapshot_find(s, "a")].n_extents < 12);
    fc_snapshot_free(s);
}

static void snapshots_stand_still(void **state)
{
    struct world *w = *state;
    uint64_t f = make(w, 1, "f", S_IFREG | 0644), big = ino_at(w, "big");
    struct model m = {calloc(1, MODEL_MAX), 0}, was = {calloc(1, MODEL_MAX), 0}, b = model_of_lower("big");
    struct model b_was = model_of_lower("big");
    struct fc_snapshot *s, *later;

    write_both(w, f, &m, 'a', 100000, 0);
    write_both(w, big, &b, 'q', 10000, 7000);
    memcpy(was.data, m.data, MODEL_MAX);
    was.size = m.size;
    memcpy(b_was.data, b.data, MODEL_MAX);
    assert_int_equal(fc_live_snapshot(w->live, &s, NULL), 0);
    write_both(w, f, &m, 'b', 5000, 3000);
    write_both(w, f, &m, 'c', 5000, 99000);
    truncate_both(w, f, &m, 99500);
    write_both(w, f, &m, 'd', 500, 99400);
    truncate_both(w, big, &b, 8000);
    assert_int_equal(fc_live_sync(w->live, true, NULL), 0);
    assert_int_equal(fc_live_unlink(w->live, 1, NAME("big")), 0);
    assert_int_equal(fc_live_sync(w->live, true, NULL), 0);
    write_both(w, make(w, 1, "g", S_IFREG | 0644), &b, 'e', 200000, 0);
    assert_snapshot(s, "f", &was);
    assert_snapshot(s, "big", &b_was);
    assert_int_equal(fc_live_snapshot(w->live, &later, NULL), 0);
    assert_snapshot(later, "f", &m);
    assert_int_equal(fc_snapshot_find(later, "big"), FC_TREE_NONE);
    fc_snapshot_free(s);
    assert_snapshot(later, "f", &m);
    fc_snapshot_free(later);
    assert_same(w, f, &m);
    free(m.data);
    free(was.data);
    free(b.data);
    free(b_was.data);
}

static void snapshot_arrays(void **state)
{
    struct world *w = *state;
    struct fc_snapshot *s;
    const struct fc_snap_inode *inodes;
    const struct fc_snap_dentry *dentries;
    uint32_t n, m, i;

    make(w, ino_at(w, "etc"), "zz", S_IFREG | 0644);
    make(w, ino_at(w, "etc"), "a", S_IFREG | 0644);
    assert_int_equal(fc_live_snapshot(w->live, &s, NULL), 0);
    inodes = fc_snapshot_inodes(s, &n);
    dentries = fc_snapshot_dentries(s, &m);
    assert_int_equal(inodes[0].ino, 1);
    for (i = 0; i < n; i++) {
        const struct fc_snap_dentry *d = &dentries[inodes[i].first_dentry];

        assert_true(i == 0 || inodes[i].ino > inodes[i - 1].ino);
        for (uint32_t k = 1; k < inodes[i].n_dentries; k++)
            assert_true(strncmp(d[k - 1].name, d[k].name, d[k - 1].name_len) <= 0);
    }
    i = fc_snapshot_find(s, "etc/ssl/certs/ca");
    assert_int_equal(inodes[i].n_xattrs, 1);
    assert_int_equal(inodes[i].layer, 0);
    assert_int_equal(inodes[fc_snapshot_find(s, "etc/passwd")].layer, 1);
    assert_int_equal(inodes[fc_snapshot_find(s, "etc/a")].layer, FC_TREE_NONE);
    assert_int_equal(inodes[fc_snapshot_find(s, "etc/ssl")].parent, fc_snapshot_find(s, "etc"));
    assert_string_equal(inodes[fc_snapshot_find(s, "etc/link")].target, "hostname");
    assert_int_equal(fc_snapshot_seed(s)->bytes[0], 1);
    fc_snapshot_free(s);
    assert_int_equal(fc_snapshot_of_tree(w->tree, &s, NULL), 0);
    assert_int_equal(fc_snapshot_find(s, "etc/a"), FC_TREE_NONE);
    assert_int_equal(fc_snapshot_find(s, "etc/passwd/x"), FC_TREE_NONE);
    fc_snapshot_free(s);
}

static void another_reader(void **state)
{
    struct world *w = *state;
    uint64_t f = make(w, 1, "f", S_IFREG | 0644);
    struct model m = {calloc(1, MODEL_MAX), 0}, was = {calloc(1, MODEL_MAX), 0};
    struct fc_live_options options = w->options;
    struct fc_edit *edit = NULL;
    struct fc_live *view = NULL;
    struct fc_snapshot *s;

    write_both(w, f, &m, 'a', 50000, 0);
    memcpy(was.data, m.data, MODEL_MAX);
    was.size = m.size;
    assert_int_equal(fc_live_pin(w->live, NULL), 0);
    write_both(w, f, &m, 'b', 60000, 100);
    assert_int_equal(fc_edit_open(w->store, FC_EDIT_READ, &edit, NULL), 0);
    options.edit = edit;
    options.read_only = true;
    assert_int_equal(fc_live_open(&options, &view, NULL), 0);
    fc_live_resume(w->live);
    assert_int_equal(fc_live_sync(w->live, true, NULL), 0);
    write_both(w, f, &m, 'c', 10, 0);
    assert_int_equal(fc_live_snapshot(view, &s, NULL), 0);
    assert_snapshot(s, "f", &was);
    fc_snapshot_free(s);
    fc_live_free(view);
    fc_edit_free(edit);
    fc_live_unpin(w->live);
    assert_same(w, f, &m);
    free(m.data);
    free(was.data);
}

static void space_comes_back(void **state)
{
    struct world *w = *state;
    struct model m = {calloc(1, MODEL_MAX), 0};
    struct stat st;

    for (int i = 0; i < 5; i++) {
        uint64_t f = make(w, 1, "f", S_IFREG | 0644);

        m.size = 0;
        write_both(w, f, &m, 'a', 1 << 20, 0);
        assert_int_equal(fc_live_fsync(w->live, f), 0);
        assert_int_equal(fc_live_unlink(w->live, 1, NAME("f")), 0);
        /* One commit removes the rows, the next may find that no reader was left. */
        assert_int_equal(fc_live_sync(w->live, true, NULL), 0);
    }
    assert_int_equal(fstat(fc_edit_data_fd(w->edit), &st), 0);
    assert_true(st.st_blocks * 512 <= 3 << 20);
    free(m.data);
}

/* Reset */

static int reset(struct world *w, const char *path) { return fc_live_reset(w->live, &path, 1, NULL); }

static void reset_files(void **state)
{
    struct world *w = *state;
    uint64_t hostname = ino_at(w, "etc/hostname"), busybox = ino_at(w, "bin/busybox");
    struct model m = model_of_lower("bin/busybox");
    struct fc_attr a;

    write_text(w, busybox, "changed", 0);
    assert_int_equal(fc_live_unlink(w->live, ino_at(w, "bin"), NAME("sh")), 0);
    assert_int_equal(fc_live_unlink(w->live, ino_at(w, "etc"), NAME("hostname")), 0);
    make(w, ino_at(w, "etc"), "hostname", S_IFDIR | 0755);
    make(w, ino_at(w, "etc/hostname"), "below", S_IFREG | 0644);
    assert_int_equal(fc_live_sync(w->live, false, NULL), 0);
    assert_int_equal(reset(w, "etc/none"), -ENOENT);
    assert_int_equal(reset(w, "bin/busybox"), 0);
    assert_same(w, busybox, &m);
    assert_int_equal(at(w, "bin/busybox").nlink, 1);
    assert_int_equal(reset(w, "bin/sh"), 0);
    assert_int_equal(at(w, "bin/busybox").nlink, 2);
    assert_int_equal(reset(w, "etc/hostname"), 0);
    assert_int_equal(ino_at(w, "etc/hostname"), hostname);
    make(w, 1, "mine", S_IFREG | 0644);
    assert_int_equal(reset(w, "mine"), 0);
    assert_int_equal(ino_at(w, "mine"), 0);
    assert_int_equal(fc_live_link(w->live, hostname, 1, NAME("kept"), &a), 0);
    assert_int_equal(reset(w, "etc/hostname"), 0);
    world_reopen(w);
    assert_same(w, busybox, &m);
    assert_int_equal(ino_at(w, "etc/hostname"), hostname);
    assert_int_equal(ino_at(w, "kept"), hostname);
    assert_int_equal(at(w, "kept").nlink, 2);
    free(m.data);
}

static void reset_trees(void **state)
{
    struct world *w = *state;
    uint64_t ssl = ino_at(w, "etc/ssl"), certs = ino_at(w, "etc/ssl/certs"), ca = ino_at(w, "etc/ssl/certs/ca");
    struct fc_edit_counts counts;
    struct fc_attr a;

    /* A directory that went, one that moved away, one that moved inside itself out. */
    assert_int_equal(fc_live_rename(w->live, ssl, NAME("certs"), 1, NAME("moved"), 0), 0);
    assert_int_equal(fc_live_rename(w->live, ino_at(w, "etc"), NAME("ssl"), certs, NAME("inside"), 0), 0);
    assert_int_equal(fc_live_unlink(w->live, certs, NAME("ca")), 0);
    make(w, certs, "stranger", S_IFREG | 0644);
    assert_int_equal(reset(w, "etc/ssl"), 0);
    assert_int_equal(ino_at(w, "etc/ssl/certs/ca"), ca);
    assert_int_equal(ino_at(w, "etc/ssl/certs/stranger"), 0);
    assert_int_equal(ino_at(w, "etc/ssl/certs/inside"), 0);
    assert_int_equal(ino_at(w, "moved"), 0);
    assert_int_equal(at(w, "").nlink, 7);
    assert_int_equal(at(w, "etc").nlink, 3);
    /* A parent that is another one must be reset itself. */
    assert_int_equal(fc_live_rename(w->live, 1, NAME("etc"), 1, NAME("etc.old"), 0), 0);
    a.ino = make(w, make(w, make(w, 1, "etc", S_IFDIR | 0755), "ssl", S_IFDIR | 0755), "x", S_IFREG | 0644);
    assert_int_equal(reset(w, "etc/ssl/certs"), -ENOENT);
    assert_int_equal(fc_live_sync(w->live, false, NULL), 0);
    /* All. */
    assert_int_equal(fc_live_reset(w->live, NULL, 0, NULL), 0);
    assert_int_equal(ino_at(w, "etc/ssl/certs/ca"), ca);
    assert_int_equal(ino_at(w, "etc.old"), 0);
    assert_int_equal(at(w, "etc").mtime.tv_sec, 1000000000);
    assert_int_equal(fc_live_getattr(w->live, a.ino, &a), -ESTALE);
    world_reopen(w);
    assert_int_equal(ino_at(w, "etc/ssl/certs/ca"), ca);
    assert_int_equal(fc_edit_counts(w->edit, &counts, NULL), 0);
    assert_int_equal(counts.inodes, 0);
    assert_int_equal(counts.dentries, 0);
    assert_int_equal(counts.data_bytes, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(touched_blocks_only),
        TEST(shrink_and_grow),
        TEST(limits),
        TEST(data_and_holes),
        TEST(allocate_and_punch),
        TEST(copies_keep_holes),
        TEST(growing_file_has_few_extents),
        TEST(snapshots_stand_still),
        TEST(snapshot_arrays),
        TEST(another_reader),
        TEST(space_comes_back),
        TEST(reset_files),
        TEST(reset_trees),
    };

    return cmocka_run_group_tests_name("live content", tests, NULL, NULL);
}
