/* SPDX-License-Identifier: Apache-2.0 */
/* Tables that keep every rule become a snapshot; tables that break one are refused, and stay their maker's. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "live/snapshot_new.h"

#include <errno.h>

/* Root with directory "d", file "f" (also "d/g"), symlink "l"; one hole and two extents; two attributes. */
static void make(struct fc_snapshot_tables *t)
{
    static const struct fc_snap_inode inodes[] = {
        {.ino = 1, .mode = S_IFDIR | 0755, .nlink = 3, .first_dentry = 0, .n_dentries = 3, .parent = 0},
        {.ino = 12, .mode = S_IFDIR | 0755, .nlink = 2, .first_dentry = 3, .n_dentries = 1, .parent = 0},
        {.ino = 13,
         .mode = S_IFREG | 0644,
         .nlink = 2,
         .size = 20000,
         .n_extents = 2,
         .n_xattrs = 2,
         .parent = UINT32_MAX},
        {.ino = 20, .mode = S_IFLNK | 0777, .nlink = 1, .size = 4, .target = "text", .parent = UINT32_MAX},
    };
    static const struct fc_snap_dentry dentries[] = {{"d", 1, 1}, {"f", 1, 2}, {"l", 1, 3}, {"g", 1, 2}};
    static const struct fc_snap_extent extents[] = {{.offset = 0, .length = 4096, .source_offset = 8192},
                                                    {.offset = 12288, .length = 7712, .source_offset = 0}};
    static const struct fc_xattr xattrs[] = {{"user.a", "1", 1}, {"user.b", "2", 1}};

    memset(t, 0, sizeof(*t));
#define COPY(what)                                                                                                     \
    do {                                                                                                               \
        t->n_##what = sizeof(what) / sizeof((what)[0]);                                                                \
        t->what = malloc(sizeof(what));                                                                                \
        memcpy(t->what, what, sizeof(what));                                                                           \
    } while (0)
    COPY(inodes);
    COPY(dentries);
    COPY(extents);
    COPY(xattrs);
#undef COPY
    t->sources = calloc(1, sizeof(*t->sources));
    t->n_sources = 1;
    t->sources[0] = (struct fc_snap_source){.fd = memfd_create("source", MFD_CLOEXEC), .layer = UINT32_MAX};
}

static void test_good(void **state)
{
    struct fc_snapshot_tables t;
    struct fc_snapshot *s = NULL;
    struct fc_error err = {0};
    int fd;

    (void)state;
    make(&t);
    fd = t.sources[0].fd;
    if (fc_snapshot_new(&t, &s, &err) < 0)
        fail_msg("%s", err.msg);
    assert_null(t.inodes);
    assert_int_equal(fc_snapshot_find(s, "d/g"), 2);
    assert_int_equal(fc_snapshot_find(s, "l"), 3);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    fc_snapshot_free(s);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

/* Each breaks one rule. */
static void break_root(struct fc_snapshot_tables *t) { t->inodes[0].ino = 2; }
static void break_order(struct fc_snapshot_tables *t) { t->inodes[2].ino = 12; }
static void break_links(struct fc_snapshot_tables *t) { t->inodes[2].nlink = 1; }
static void break_dir_links(struct fc_snapshot_tables *t) { t->inodes[0].nlink = 2; }
static void break_parent(struct fc_snapshot_tables *t) { t->inodes[1].parent = 1; }
static void break_name_order(struct fc_snapshot_tables *t) { t->dentries[1].name = "m"; }
static void break_name_twice(struct fc_snapshot_tables *t) { t->dentries[1].name = "d"; }
static void break_name_slash(struct fc_snapshot_tables *t) { t->dentries[2].name = "/"; }
static void break_name_empty(struct fc_snapshot_tables *t) { t->dentries[3].name_len = 0; }
static void break_dentry(struct fc_snapshot_tables *t) { t->dentries[3].inode = 4; }
static void break_to_root(struct fc_snapshot_tables *t) { t->dentries[3].inode = 0; }
static void break_slice(struct fc_snapshot_tables *t) { t->inodes[1].first_dentry = 4; }
static void break_extent_order(struct fc_snapshot_tables *t) { t->extents[0].offset = 16384; }
static void break_extent_align(struct fc_snapshot_tables *t) { t->extents[1].source_offset = 1024; }
static void break_extent_short(struct fc_snapshot_tables *t) { t->extents[0].length = 4095; }
static void break_extent_end(struct fc_snapshot_tables *t) { t->extents[1].length = 8193; }
static void break_source(struct fc_snapshot_tables *t) { t->extents[1].source = 1; }
static void break_xattrs(struct fc_snapshot_tables *t) { t->xattrs[1].name = "user.a"; }
static void break_target(struct fc_snapshot_tables *t) { t->inodes[3].size = 3; }
/* "d" is in itself, and no longer in the root; "g" stays where it is, and "f" has lost a name. */
static void break_circle(struct fc_snapshot_tables *t)
{
    t->dentries[3] = (struct fc_snap_dentry){"d", 1, 1};
    t->inodes[1].parent = 1;
    t->inodes[1].nlink = 3;
    t->inodes[0].first_dentry = 1;
    t->inodes[0].n_dentries = 2;
    t->inodes[0].nlink = 2;
    t->inodes[2].nlink = 1;
}

static void test_broken(void **state)
{
    static void (*const breaks[])(struct fc_snapshot_tables *) = {
        break_root,       break_order,      break_links,        break_dir_links,    break_parent,
        break_name_order, break_name_twice, break_name_slash,   break_name_empty,   break_dentry,
        break_to_root,    break_slice,      break_extent_order, break_extent_align, break_extent_short,
        break_extent_end, break_source,     break_xattrs,       break_target,       break_circle};

    (void)state;
    for (size_t i = 0; i < sizeof(breaks) / sizeof(breaks[0]); i++) {
        struct fc_snapshot_tables t;
        struct fc_snapshot *s = NULL;
        struct fc_error err = {0};

        make(&t);
        breaks[i](&t);
        if (fc_snapshot_new(&t, &s, &err) != -EINVAL)
            fail_msg("break %zu was not seen", i);
        assert_null(s);
        assert_non_null(t.inodes);
        assert_non_null(strstr(err.msg, "cannot make a snapshot: "));
        fc_snapshot_tables_release(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good), cmocka_unit_test(test_broken)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
