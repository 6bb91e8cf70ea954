/* SPDX-License-Identifier: Apache-2.0 */
/* What lost its names is gone also after reopening, and what a reset gives back is as it was. */
#include "live_world.h"

#include <errno.h>

static int reset(struct world *w, const char *path) { return fc_live_reset(w->live, &path, 1, NULL); }

static void drop(struct world *w, const char *dir, const char *name)
{
    struct fc_attr a;
    uint64_t parent = ino_at(w, dir);

    assert_int_equal(fc_live_lookup(w->live, parent, NAME(name), &a), 0);
    if (S_ISDIR(a.mode))
        assert_int_equal(fc_live_rmdir(w->live, parent, NAME(name)), 0);
    else
        assert_int_equal(fc_live_unlink(w->live, parent, NAME(name)), 0);
}

static void move(struct world *w, const char *from_dir, const char *from, const char *to_dir, const char *to)
{
    assert_int_equal(fc_live_rename(w->live, ino_at(w, from_dir), NAME(from), ino_at(w, to_dir), NAME(to), 0), 0);
}

static uint64_t count_inodes(struct world *w)
{
    struct fc_live_stat st;

    fc_live_stat(w->live, &st);
    return st.n_inodes;
}

static void removed_names_stay_removed(void **state)
{
    struct world *w = *state;
    uint64_t busybox = ino_at(w, "bin/busybox"), n = count_inodes(w);
    struct fc_attr a;

    drop(w, "bin", "busybox");
    drop(w, "bin", "sh");
    assert_int_equal(count_inodes(w), n - 1);
    world_reopen(w);
    assert_int_equal(count_inodes(w), n - 1);
    assert_int_equal(fc_live_getattr(w->live, busybox, &a), -ESTALE);
    assert_int_equal(reset(w, "bin/sh"), 0);
    assert_int_equal(at(w, "bin/sh").nlink, 1);
    assert_int_equal(reset(w, ""), 0);
    assert_int_equal(at(w, "bin/sh").nlink, 2);
    world_reopen(w);
    assert_int_equal(at(w, "bin/busybox").nlink, 2);
    assert_int_equal(count_inodes(w), n);
}

/* The directory that held one or both names of a file goes as a whole: one row. */
static void removed_directory_takes_its_names_along(void **state)
{
    struct world *w = *state;
    uint64_t n = count_inodes(w);

    move(w, "bin", "sh", "etc", "sh");
    drop(w, "bin", "busybox");
    drop(w, "bin", "su");
    drop(w, "", "bin");
    world_reopen(w);
    assert_int_equal(at(w, "etc/sh").nlink, 1);
    assert_int_equal(count_inodes(w), n - 2);
    assert_int_equal(reset(w, "bin"), 0);
    assert_int_equal(at(w, "etc/sh").nlink, 3);
    world_reopen(w);
    assert_int_equal(at(w, "etc/sh").nlink, 3);
    drop(w, "etc", "sh");
    assert_int_equal(at(w, "bin/sh").nlink, 2);
    for (int i = 0; i < 2; i++) {
        drop(w, "bin", i ? "sh" : "busybox");
        drop(w, "bin", i ? "busybox" : "sh");
        drop(w, "bin", "su");
        drop(w, "", "bin");
        make(w, 1, "bin", S_IFREG | 0644);
        world_reopen(w);
        assert_int_equal(at(w, "").nlink, 2 + 4);
        assert_int_equal(reset(w, i ? "" : "bin"), 0);
        assert_int_equal(at(w, "bin/busybox").nlink, 2);
        assert_int_equal(at(w, "").nlink, 2 + 5);
    }
    assert_int_equal(count_inodes(w), n);
}

static void moved_directory_is_counted_where_it_is(void **state)
{
    struct world *w = *state;
    uint64_t certs = ino_at(w, "etc/ssl/certs");

    move(w, "etc/ssl", "certs", "tmp", "c");
    drop(w, "etc", "ssl");
    world_reopen(w);
    assert_int_equal(ino_at(w, "tmp/c"), certs);
    assert_int_equal(fc_live_parent(w->live, certs), ino_at(w, "tmp"));
    assert_int_equal(at(w, "tmp").nlink, 3);
    assert_int_equal(at(w, "tmp/c/ca").nlink, 1);
    assert_int_equal(reset(w, "etc/ssl"), 0);
    assert_int_equal(ino_at(w, "etc/ssl/certs"), certs);
    assert_int_equal(at(w, "tmp").nlink, 2);
    assert_int_equal(ino_at(w, "etc/ssl/certs/.."), ino_at(w, "etc/ssl"));
}

static bool has_row(struct world *w)
{
    struct fc_edit_counts c;

    assert_int_equal(fc_live_sync(w->live, false, NULL), 0);
    assert_int_equal(fc_edit_counts(w->edit, &c, NULL), 0);
    return c.inodes + c.dentries > 0;
}

static void create_and_reset_leave_no_trace(void **state)
{
    struct world *w = *state;
    struct fc_attr before = at(w, "etc"), a;

    make(w, before.ino, "motd", S_IFREG | 0644);
    assert_true(has_row(w));
    assert_int_equal(reset(w, "etc/motd"), 0);
    a = at(w, "etc");
    assert_memory_equal(&a, &before, sizeof(a));
    assert_false(has_row(w));
    /* Names that went, changed places, or mean another file. */
    drop(w, "etc", "hostname");
    assert_int_equal(reset(w, "etc/hostname"), 0);
    move(w, "etc", "ssl", "tmp", "ssl");
    assert_int_equal(reset(w, "etc/ssl"), 0);
    drop(w, "etc", "passwd");
    make(w, before.ino, "passwd", S_IFREG | 0644);
    world_reopen(w);
    assert_int_equal(reset(w, "etc/passwd"), 0);
    assert_false(has_row(w));
    a = at(w, "etc");
    assert_memory_equal(&a, &before, sizeof(a));
}

static void other_edits_of_a_folder_stay(void **state)
{
    struct world *w = *state;
    struct fc_attr etc = at(w, "etc"), set = {.mtime = {77, 7}, .mode = S_IFDIR | 0700};

    make(w, etc.ino, "one", S_IFREG | 0644);
    make(w, etc.ino, "two", S_IFREG | 0644);
    assert_int_equal(reset(w, "etc/one"), 0);
    assert_true(at(w, "etc").mtime.tv_sec > etc.mtime.tv_sec);
    assert_int_equal(reset(w, "etc/two"), 0);
    assert_int_equal(at(w, "etc").mtime.tv_sec, etc.mtime.tv_sec);
    make(w, etc.ino, "one", S_IFREG | 0644);
    assert_int_equal(fc_live_setattr(w->live, etc.ino, &set, FC_SET_MODE, NULL), 0);
    assert_int_equal(reset(w, "etc/one"), 0);
    assert_int_equal(at(w, "etc").mode, S_IFDIR | 0700);
    assert_int_equal(reset(w, ""), 0);
    make(w, etc.ino, "one", S_IFREG | 0644);
    assert_int_equal(fc_live_setxattr(w->live, etc.ino, "user.mine", "1", 1, 0), 0);
    assert_int_equal(reset(w, "etc/one"), 0);
    assert_int_equal(fc_live_getxattr(w->live, etc.ino, "user.mine", NULL, 0), 1);
    assert_int_equal(reset(w, "etc"), 0);
    /* A time set by hand is an edit, too, but it ends the moment that a name changes. */
    make(w, etc.ino, "one", S_IFREG | 0644);
    assert_int_equal(fc_live_setattr(w->live, etc.ino, &set, FC_SET_MTIME, NULL), 0);
    assert_int_equal(reset(w, "etc/one"), 0);
    assert_true(has_row(w));
    /* What is changed in place is no change of the folder. */
    assert_int_equal(reset(w, ""), 0);
    write_text(w, ino_at(w, "etc/hostname"), "new", 0);
    assert_int_equal(reset(w, "etc/hostname"), 0);
    assert_false(has_row(w));
}

/* The new name goes after its inode's turn, because it is deeper, or before. */
static void links_leave_no_trace(void **state)
{
    struct world *w = *state;
    struct fc_attr before = at(w, "etc/hostname"), ca = at(w, "etc/ssl/certs/ca"), a;

    assert_int_equal(fc_live_link(w->live, before.ino, ino_at(w, "etc/ssl/certs"), NAME("deeper"), &a), 0);
    assert_int_equal(fc_live_link(w->live, ca.ino, ino_at(w, ""), NAME("higher"), &a), 0);
    assert_true(has_row(w));
    assert_int_equal(reset(w, ""), 0);
    a = at(w, "etc/hostname");
    assert_memory_equal(&a, &before, sizeof(a));
    a = at(w, "etc/ssl/certs/ca");
    assert_memory_equal(&a, &ca, sizeof(a));
    assert_false(has_row(w));
}

static void dot_is_the_inode_itself(void **state)
{
    struct world *w = *state;
    uint64_t file = ino_at(w, "etc/hostname"), link = ino_at(w, "etc/link");
    struct fc_attr a;

    assert_int_equal(fc_live_lookup(w->live, file, NAME("."), &a), 0);
    assert_int_equal(a.ino, file);
    assert_int_equal(fc_live_lookup(w->live, link, NAME("."), &a), 0);
    assert_int_equal(a.mode & S_IFMT, S_IFLNK);
    assert_int_equal(fc_live_lookup(w->live, file, NAME(".."), &a), -ENOTDIR);
    drop(w, "etc", "hostname");
    assert_int_equal(fc_live_lookup(w->live, file, NAME("."), &a), -ESTALE);
    world_reopen(w);
    assert_int_equal(fc_live_lookup(w->live, file, NAME("."), &a), -ESTALE);
}

static void lengths_of_tables_need_not_be_asked_for(void **state)
{
    struct world *w = *state;
    struct fc_snapshot *s = NULL;

    assert_int_equal(fc_live_snapshot(w->live, &s, NULL), 0);
    assert_non_null(fc_snapshot_inodes(s, NULL));
    assert_non_null(fc_snapshot_dentries(s, NULL));
    assert_non_null(fc_snapshot_extents(s, NULL));
    assert_non_null(fc_snapshot_xattrs(s, NULL));
    assert_non_null(fc_snapshot_sources(s, NULL));
    fc_snapshot_free(s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(removed_names_stay_removed),
        TEST(removed_directory_takes_its_names_along),
        TEST(moved_directory_is_counted_where_it_is),
        TEST(create_and_reset_leave_no_trace),
        TEST(other_edits_of_a_folder_stay),
        TEST(links_leave_no_trace),
        TEST(dot_is_the_inode_itself),
        TEST(lengths_of_tables_need_not_be_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
