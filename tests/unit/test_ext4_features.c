/* SPDX-License-Identifier: Apache-2.0 */
/* Features that are used when needed: deep directory indexes, large attributes, data in inodes. */
#include <errno.h>

#include "ext4_kernel.h"

/* Plan with at most @fill entries in a block of an index, write, and have e2fsck and the kernel look. */
static void judge_filled(struct gen *g, unsigned fill, const struct fc_ext4_options *o)
{
    struct fc_ext4_tables t = gen_tables(g);
    struct fc_image_write_options w = {.no_sync = true};
    struct fc_image *image = NULL;
    struct fc_error err = {0};

    t.index_fill = fill;
    if (fc_ext4_plan_tables(&t, o, &image, NULL, &err) < 0)
        fail_msg("%s", err.msg);
    if (fc_image_write(image, gen_path(), &w, NULL, &err) < 0)
        fail_msg("%s", err.msg);
    fc_image_free(image);
    gen_run("e2fsck -fn");
    gen_compare(g);
}

static bool has_feature(const char *name)
{
    char line[192];

    snprintf(line, sizeof(line), "dumpe2fs -h %s 2>/dev/null | grep -q '^Filesystem features:.* %s'", gen_path(), name);
    return system(line) == 0;
}

static void expect_refusal(struct gen *g, unsigned fill, const struct fc_ext4_options *o, int code, const char *words)
{
    struct fc_ext4_tables t = gen_tables(g);
    struct fc_image *image = NULL;
    struct fc_error err = {0};

    t.index_fill = fill;
    assert_int_equal(fc_ext4_plan_tables(&t, o, &image, NULL, &err), -code);
    if (!strstr(err.msg, words))
        fail_msg("\"%s\" says nothing of \"%s\"", err.msg, words);
}

/* Names of 247 to 250 bytes, of which a leaf holds 15 or 16, so that @n_leaves is easily reached. */
static uint32_t wide_directory(struct gen *g, size_t n_names)
{
    uint32_t d = gen_add(g, 0, "wide", S_IFDIR | 0755), file = gen_add(g, 0, "file", S_IFREG | 0644);
    char name[256];

    for (size_t i = 0; i < n_names; i++) {
        snprintf(name, sizeof(name), "%0250zu", i);
        gen_link(g, d, name, file);
    }
    return d;
}

/* With four entries in a block: levels at every border, and the feature just where the third comes. */
static void test_large_dir(void **state)
{
    static const struct {
        unsigned leaves;
        bool large;
    } cases[] = {{2, false}, {4, false}, {5, false}, {16, false}, {17, true}, {33, true}, {63, true}, {64, true}};
    struct fc_ext4_options o = {.profile = FC_EXT4_PROFILE_COMPAT};

    (void)state;
    for (size_t i = 0; i < FC_LENGTH(cases); i++) {
        struct gen g;

        gen_init(&g);
        wide_directory(&g, (size_t)cases[i].leaves * 15);
        judge_filled(&g, 4, NULL);
        assert_int_equal(has_feature("large_dir"), cases[i].large);
        if (cases[i].large)
            expect_refusal(&g, 4, &o, EOPNOTSUPP,
                           "/wide: ext4 holds no directory of so many names without large_dir, which "
                           "the profile compat lacks");
        gen_done(&g);
    }
}

static void test_too_many_names(void **state)
{
    struct gen g;

    (void)state;
    gen_init(&g);
    wide_directory(&g, 65 * 15);
    expect_refusal(&g, 4, NULL, EOPNOTSUPP, "/wide: too many names for a directory index of three levels");
    gen_done(&g);
}

/* A guest goes on where the planner stopped: it splits leaves and index blocks of a deep tree. */
static void test_guest_adds_names(void **state)
{
    struct fc_ext4_options o = {.free_bytes = 8 << 20};
    char path[512];
    struct gen g;

    (void)state;
    gen_init(&g);
    wide_directory(&g, 600);
    judge_filled(&g, 4, &o);
    assert_true(has_feature("large_dir"));
    if (!gen_mount("rw")) {
        gen_done(&g);
        skip();
    }
    for (unsigned i = 0; i < 1500; i++) {
        int fd;

        snprintf(path, sizeof(path), "%s/wide/new%0200u", gen_mount_point(), i);
        fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
        assert_true(fd >= 0);
        close(fd);
    }
    for (unsigned i = 0; i < 600; i += 2) {
        snprintf(path, sizeof(path), "%s/wide/%0250u", gen_mount_point(), i);
        assert_int_equal(unlink(path), 0);
    }
    gen_umount();
    gen_run("e2fsck -fn");
    gen_done(&g);
}

/* More leaves than two levels of full blocks lead to: 4.1 million names, minutes and gigabytes. For the full run. */
static void test_large_dir_in_full(void **state)
{
    uint32_t d, file = 0;
    char name[256];
    struct gen g;

    (void)state;
    if (!getenv("FC_TEST_LARGE"))
        skip();
    gen_init(&g);
    d = gen_add(&g, 0, "wide", S_IFDIR | 0755);
    for (unsigned i = 0; i < 507u * 510 * 15 + 200000; i++) {
        if (i % 60000 == 0) {
            snprintf(name, sizeof(name), "file%u", i);
            file = gen_add(&g, 0, name, S_IFREG | 0644);
        }
        snprintf(name, sizeof(name), "%0250u", i);
        gen_link(&g, d, name, file);
    }
    judge_filled(&g, 0, NULL);
    assert_true(has_feature("large_dir"));
    gen_done(&g);
}

/* Sizes around every border, alone and with others, with and without room in the inode. */
static void test_large_values(void **state)
{
    static const uint32_t inode_sizes[] = {128, 256, 512, 1024};
    static const size_t sizes[] = {3900, 4040, 4041, 4095, 4096, 4097, 8192, 30001, 65535, 65536};
    char name[64];

    (void)state;
    for (size_t k = 0; k < FC_LENGTH(inode_sizes); k++) {
        struct fc_ext4_options o = {.inode_size = inode_sizes[k]};
        struct gen g;

        gen_init(&g);
        for (size_t i = 0; i < FC_LENGTH(sizes); i++) {
            snprintf(name, sizeof(name), "alone%zu", sizes[i]);
            gen_xattr(&g, gen_file(&g, 0, name, 1), "user.large", sizes[i], (int)i + 1);
            snprintf(name, sizeof(name), "dir%zu", sizes[i]);
            gen_xattr(&g, gen_add(&g, 0, name, S_IFDIR | 0755), "trusted.large", sizes[i], (int)i + 1);
            snprintf(name, sizeof(name), "others%zu", sizes[i]);
            gen_file(&g, 0, name, 100000);
            gen_xattr(&g, (uint32_t)g.n_inodes - 1, "user.a", 50, 'a');
            gen_xattr(&g, (uint32_t)g.n_inodes - 1, "user.b", 0, 'b');
            gen_xattr(&g, (uint32_t)g.n_inodes - 1, "user.c", sizes[i], 'c');
            gen_xattr(&g, (uint32_t)g.n_inodes - 1, "user.d", 3000, 'd');
            gen_xattr(&g, (uint32_t)g.n_inodes - 1, "user.e", sizes[i], 'e');
        }
        for (size_t m = 0; inode_sizes[k] == 128 && m < g.n_inodes; m++)
            g.inodes[m].atime.tv_nsec = g.inodes[m].mtime.tv_nsec = g.inodes[m].ctime.tv_nsec = 0;
        gen_judge(&g, &o);
        assert_true(has_feature("ea_inode"));
        gen_compare(&g);
        gen_done(&g);
    }
}

/* Many middling values; names alone that are too many; a value that is too large; nothing large at all. */
static void test_many_values(void **state)
{
    char name[256];
    struct gen g;
    uint32_t i;

    (void)state;
    gen_init(&g);
    i = gen_file(&g, 0, "many", 1);
    for (unsigned n = 0; n < 120; n++) {
        snprintf(name, sizeof(name), "user.%03u", n);
        gen_xattr(&g, i, name, 100 + n, (int)n);
    }
    gen_judge(&g, NULL);
    assert_true(has_feature("ea_inode"));
    gen_compare(&g);
    gen_done(&g);

    gen_init(&g);
    i = gen_file(&g, 0, "names", 1);
    for (unsigned n = 0; n < 20; n++) {
        snprintf(name, sizeof(name), "user.%0200u", n);
        gen_xattr(&g, i, name, 8, (int)n);
    }
    expect_refusal(&g, 0, NULL, EOPNOTSUPP, "/names: the names of its extended attributes need more than the 4 KiB");
    gen_done(&g);

    gen_init(&g);
    gen_xattr(&g, gen_file(&g, 0, "huge", 1), "user.huge", 65537, 'h');
    expect_refusal(&g, 0, NULL, EOPNOTSUPP, "/huge: an extended attribute is larger than 64 KiB");
    gen_done(&g);

    gen_init(&g);
    gen_xattr(&g, gen_file(&g, 0, "small", 1), "user.s", 4040, 's');
    gen_judge(&g, NULL);
    assert_false(has_feature("ea_inode"));
    gen_done(&g);
}

/* Equal values are one inode, whichever attribute has them; blocks that say the same are shared too, up to 1024 times. */
static void test_shared_values(void **state)
{
    struct fc_ext4_options o = {.free_bytes = 8 << 20, .inode_size = 128};
    struct fc_ext4_summary few, many;
    char path[512];
    struct gen g;

    (void)state;
    gen_init(&g);
    gen_xattr(&g, gen_file(&g, 0, "first", 1), "user.large", 60000, 'l');
    few = gen_judge(&g, &o);
    gen_done(&g);
    gen_init(&g);
    for (unsigned i = 0; i < 2100; i++) {
        snprintf(path, sizeof(path), "file%u", i);
        gen_xattr(&g, gen_add(&g, 0, path, S_IFREG | 0644), i % 7 ? "user.large" : "user.other", 60000, 'l');
        g.inodes[g.n_inodes - 1].atime.tv_nsec = g.inodes[g.n_inodes - 1].mtime.tv_nsec = 0;
        g.inodes[g.n_inodes - 1].ctime.tv_nsec = 0;
    }
    g.inodes[0].atime.tv_nsec = g.inodes[0].mtime.tv_nsec = g.inodes[0].ctime.tv_nsec = 0;
    many = gen_judge(&g, &o);
    assert_int_equal(many.inodes - many.free_inodes - 2100, few.inodes - few.free_inodes - 1);
    gen_compare(&g);
    if (!gen_mount("rw")) {
        gen_done(&g);
        skip();
    }
    for (unsigned i = 0; i < 2100; i += 3) { /* a guest removes some, and gives others another value */
        snprintf(path, sizeof(path), "%s/file%u", gen_mount_point(), i);
        assert_int_equal(i % 2 ? unlink(path) : lsetxattr(path, "user.large", path, 5, 0), 0);
    }
    gen_umount();
    gen_run("e2fsck -fn");
    gen_done(&g);
}

/* A file of so many names that it becomes several inodes refers to its values from each. */
static void test_split_inode_values(void **state)
{
    struct gen g;
    char name[32];
    uint32_t i;

    (void)state;
    gen_init(&g);
    i = gen_file(&g, 0, "first", 1);
    gen_xattr(&g, i, "user.large", 10000, 'l');
    gen_xattr(&g, i, "user.more", 3000, 'm');
    for (unsigned n = 0; n < 65000 + 10; n++) {
        snprintf(name, sizeof(name), "%u", n);
        gen_link(&g, 0, name, i);
    }
    gen_judge(&g, NULL);
    gen_done(&g);
}

/* Count the inodes whose data stands in them, as debugfs shows their flags. */
static unsigned count_inline(const struct fc_ext4_summary *s)
{
    char line[256], flags[32];
    unsigned n = 0;
    FILE *f;

    snprintf(line, sizeof(line), "for i in $(seq 12 %llu); do echo \"stat <$i>\"; done | debugfs -f - %s 2>/dev/null",
             (unsigned long long)(s->inodes - s->free_inodes), gen_path());
    f = popen(line, "r");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f)) {
        const char *at = strstr(line, "Flags: ");

        if (at && sscanf(at, "Flags: %31s", flags) == 1)
            n += (strtoul(flags, NULL, 16) & EXT4_INLINE_DATA_FL) != 0;
    }
    assert_int_equal(pclose(f), 0);
    return n;
}

/* Every size up to what inodes hold and beyond, with and without attributes. */
static void test_inline_files(void **state)
{
    static const uint32_t inode_sizes[] = {256, 512, 1024};
    char name[64];

    (void)state;
    for (size_t k = 0; k < FC_LENGTH(inode_sizes); k++) {
        struct fc_ext4_options o = {.inode_size = inode_sizes[k], .inline_data = true};
        unsigned room = 60 + inode_sizes[k] - 160 - 28, step = k == 0 ? 1 : 7, n = 0;
        struct fc_ext4_summary s;
        struct gen g;

        gen_init(&g);
        for (unsigned size = 1; size <= room + 2; size++) {
            snprintf(name, sizeof(name), "plain%u", size);
            gen_file(&g, 0, name, size);
            n += size <= room;
            if (size % step)
                continue;
            snprintf(name, sizeof(name), "attributes%u", size);
            gen_file(&g, 0, name, size);
            gen_xattr(&g, (uint32_t)g.n_inodes - 1, "user.a", size % 30, 'a');
            gen_xattr(&g, (uint32_t)g.n_inodes - 1, "user.b", size % 50, 'b');
            n += size <= room;
        }
        gen_file(&g, 0, "empty", 0);
        g.inodes[gen_add(&g, 0, "hole", S_IFREG | 0644)].size = 100;
        s = gen_judge(&g, &o);
        assert_int_equal(count_inline(&s), n);
        gen_compare(&g);
        gen_done(&g);
    }
}

/* Names of all lengths in all numbers, so that both parts of a directory are full, short of full, and too small. */
static void test_inline_directories(void **state)
{
    static const uint32_t inode_sizes[] = {256, 512, 1024};
    char name[256];

    (void)state;
    for (size_t k = 0; k < FC_LENGTH(inode_sizes); k++) {
        struct fc_ext4_options o = {.inode_size = inode_sizes[k], .inline_data = true, .free_bytes = 1 << 20};
        struct fc_ext4_summary s;
        unsigned seed = 1, n, n_empty = 0;
        struct gen g;

        gen_init(&g);
        for (unsigned d = 0; d < 300; d++) {
            unsigned count = d % 12;
            uint32_t dir;

            snprintf(name, sizeof(name), "dir%u", d);
            dir = gen_add(&g, 0, name, S_IFDIR | 0755);
            n_empty += count == 0;
            if (d % 5 == 0)
                gen_xattr(&g, dir, "user.a", d % 40, 'a');
            for (unsigned i = 0; i < count; i++) {
                seed = seed * 1103515245u + 12345u;
                snprintf(name, sizeof(name), "%u-%0*u", i, (int)((seed >> 16) % (d % 3 ? 12 : 60)), 0);
                gen_add(&g, dir, name, i % 3 ? S_IFDIR | 0700 : S_IFIFO | 0600);
                n_empty += i % 3 != 0;
            }
        }
        s = gen_judge(&g, &o);
        n = count_inline(&s);
        assert_in_range(n, n_empty + 50, n_empty + 275); /* and some of the 275 that are not empty */
        gen_compare(&g);
        gen_done(&g);
    }
}

static void test_inline_refused(void **state)
{
    struct fc_ext4_options o = {.inline_data = true, .inode_size = 128};
    struct gen g;

    (void)state;
    gen_init(&g);
    gen_file(&g, 0, "f", 10);
    expect_refusal(&g, 0, &o, EINVAL, "inodes of 128 bytes have no room for data");
    o = (struct fc_ext4_options){.inline_data = true, .profile = FC_EXT4_PROFILE_COMPAT};
    expect_refusal(&g, 0, &o, EINVAL, "the profile compat lacks");
    o.profile = FC_EXT4_PROFILE_5_10;
    assert_int_equal(ftruncate(g.source.fd, 0), 0);
    expect_refusal(&g, 0, &o, EIO, "/f: cannot read its content");
    gen_done(&g);
}

/* No block and hardly an inode is free, in one group and in several; what asks for room is refused. */
static void test_read_only(void **state)
{
    static const uint64_t sizes[] = {0, 5000, 100 << 20, 300 << 20};
    struct fc_ext4_options o = {.read_only = true};
    struct fc_ext4_summary s;
    struct gen g;

    (void)state;
    for (size_t k = 0; k < FC_LENGTH(sizes); k++) {
        for (o.profile = FC_EXT4_PROFILE_5_10; o.profile <= FC_EXT4_PROFILE_COMPAT; o.profile++) {
            gen_init(&g);
            if (sizes[k])
                gen_extent(&g, gen_add(&g, 0, "large", S_IFREG | 0644), 0, sizes[k], false);
            wide_directory(&g, 40);
            s = gen_judge(&g, &o);
            assert_int_equal(s.free_blocks, 0);
            assert_in_range(s.free_inodes, 0, 16 * s.groups);
            assert_int_equal(has_feature("read-only"), o.profile != FC_EXT4_PROFILE_COMPAT);
            assert_false(has_feature("has_journal"));
            assert_false(has_feature("resize_inode"));
            gen_compare(&g);
            gen_done(&g);
        }
    }
    gen_init(&g);
    o = (struct fc_ext4_options){.read_only = true, .free_bytes = 4096};
    expect_refusal(&g, 0, &o, EINVAL, "a read-only image is as small as its content");
    o = (struct fc_ext4_options){.read_only = true, .journal = FC_EXT4_JOURNAL_SIZE, .journal_bytes = 4 << 20};
    expect_refusal(&g, 0, &o, EINVAL, "a read-only image is as small as its content");
    gen_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_dir),        cmocka_unit_test(test_too_many_names),
        cmocka_unit_test(test_guest_adds_names), cmocka_unit_test(test_large_dir_in_full),
        cmocka_unit_test(test_large_values),     cmocka_unit_test(test_many_values),
        cmocka_unit_test(test_shared_values),    cmocka_unit_test(test_split_inode_values),
        cmocka_unit_test(test_inline_files),     cmocka_unit_test(test_inline_directories),
        cmocka_unit_test(test_inline_refused),   cmocka_unit_test(test_read_only),
    };

    cmocka_set_test_filter(getenv("FC_TEST_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
