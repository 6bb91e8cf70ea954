/* SPDX-License-Identifier: Apache-2.0 */
/* Images of small made-up trees are clean to e2fsck. */
#include "ext4_help.h"

static void test_empty(void **state)
{
    struct gen g;

    (void)state;
    gen_init(&g);
    gen_judge(&g, NULL);
    gen_done(&g);
}

static void test_one_file(void **state)
{
    struct gen g;

    (void)state;
    gen_init(&g);
    gen_file(&g, 0, "hello", 5000);
    gen_judge(&g, NULL);
    gen_done(&g);
}

static void test_all_types(void **state)
{
    struct gen g;
    uint32_t d, i;

    (void)state;
    gen_init(&g);
    d = gen_add(&g, 0, "dir", S_IFDIR | 01777);
    i = gen_add(&g, d, "char", S_IFCHR | 0600);
    g.inodes[i].rdev_major = 5;
    g.inodes[i].rdev_minor = 1;
    i = gen_add(&g, d, "block", S_IFBLK | 0660);
    g.inodes[i].rdev_major = 259;
    g.inodes[i].rdev_minor = 70000;
    gen_add(&g, d, "fifo", S_IFIFO | 0644);
    gen_add(&g, d, "socket", S_IFSOCK | 0755);
    gen_symlink(&g, d, "one", 1);
    gen_symlink(&g, d, "fast", 59);
    gen_symlink(&g, d, "slow", 60);
    gen_symlink(&g, d, "long", 4095);
    i = gen_file(&g, d, "owned", 1);
    g.inodes[i].uid = 100000;
    g.inodes[i].gid = 4000000000u;
    g.inodes[i].mode = S_IFREG | 06755;
    g.inodes[i].mtime = (struct timespec){-86400, 1};
    gen_link(&g, 0, "second", i);
    gen_judge(&g, NULL);
    gen_done(&g);
}

static void make_directory(struct gen *g, uint32_t parent, const char *name, unsigned n, unsigned len)
{
    uint32_t d = gen_add(g, parent, name, S_IFDIR | 0755), file = 0;
    char text[256];

    for (unsigned i = 0; i < n; i++) {
        snprintf(text, sizeof(text), "%0*u", (int)len, i);
        if (i % 60000 == 0)
            file = gen_add(g, d, text, S_IFREG | 0644);
        else
            gen_link(g, d, text, file);
    }
}

static void test_directory_sizes(void **state)
{
    static const unsigned counts[] = {1, 15, 16, 17, 31, 32, 200, 254, 255, 256, 510, 511, 3000};
    struct gen g;
    char name[32];

    (void)state;
    gen_init(&g);
    for (size_t i = 0; i < FC_LENGTH(counts); i++) {
        snprintf(name, sizeof(name), "short%u", counts[i]);
        make_directory(&g, 0, name, counts[i], 8);
        snprintf(name, sizeof(name), "long%u", counts[i]);
        make_directory(&g, 0, name, counts[i], 255);
    }
    gen_judge(&g, NULL);
    gen_done(&g);
}

static void test_large_directories(void **state)
{
    struct gen g;

    (void)state;
    gen_init(&g);
    make_directory(&g, 0, "fifty", 50000, 9);
    make_directory(&g, 0, "many", 120000, 40);
    gen_judge(&g, NULL);
    gen_done(&g);
}

static void test_links(void **state)
{
    struct fc_ext4_summary s;
    struct gen g;
    uint32_t d, e, f;
    char name[32];

    (void)state;
    gen_init(&g);
    d = gen_add(&g, 0, "links", S_IFDIR | 0755);
    e = gen_add(&g, 0, "subdirectories", S_IFDIR | 0755);
    f = gen_file(&g, 0, "a", 9000);
    for (unsigned i = 0; i < 65001; i++) {
        snprintf(name, sizeof(name), "%u", i);
        gen_link(&g, d, name, f);
    }
    for (unsigned i = 0; i < (getenv("FC_TEST_FULL") ? 66000 : 2000); i++) {
        snprintf(name, sizeof(name), "%u", i);
        gen_add(&g, e, name, S_IFDIR | 0755);
    }
    s = gen_judge(&g, NULL);
    assert_int_equal(s.n_split_links, 1);
    gen_done(&g);
}

static void test_xattrs(void **state)
{
    static const unsigned char acl[] = {2, 0, 0,    0,    1,    0,    7,  0, 255, 255, 255, 255, 2,   0,  6,
                                        0, 1, 0,    0,    0,    4,    0,  5, 0,   255, 255, 255, 255, 16, 0,
                                        7, 0, 0xff, 0xff, 0xff, 0xff, 32, 0, 4,   0,   255, 255, 255, 255};
    struct gen g;
    char name[32];
    uint32_t i;

    (void)state;
    gen_init(&g);
    for (unsigned n = 0; n < 100; n += n < 50 ? 7 : 1) {
        snprintf(name, sizeof(name), "size%u", n);
        i = gen_file(&g, 0, name, 1);
        gen_xattr(&g, i, "security.capability", 20, 3);
        gen_xattr(&g, i, "user.x", n, 'x');
    }
    i = gen_file(&g, 0, "most", 1);
    gen_xattr(&g, i, "user.y", 4096 - 32 - 4 - 20, 'y');
    for (unsigned n = 0; n < 1500; n++) {
        snprintf(name, sizeof(name), "shared%u", n);
        i = gen_file(&g, 0, name, 0);
        gen_xattr(&g, i, "user.\xc3\xa9z", 300, 'z');
    }
    i = gen_file(&g, 0, "acl", 1);
    gen_xattr(&g, i, "system.posix_acl_access", sizeof(acl), 0);
    memcpy((void *)(uintptr_t)g.xattrs[g.n_xattrs - 1].value, acl, sizeof(acl));
    gen_judge(&g, NULL);
    gen_done(&g);
}

static void test_sparse(void **state)
{
    struct gen g;
    uint32_t i;

    (void)state;
    gen_init(&g);
    i = gen_add(&g, 0, "terabytes", S_IFREG | 0644);
    gen_extent(&g, i, UINT64_C(5) << 40, 100, true);
    g.inodes[i].size = UINT64_C(6) << 40;
    for (unsigned n = 4; n <= 6000; n = n == 4 ? 5 : n == 5 ? 340 : n == 340 ? 341 : n == 341 ? 1361 : n * 4) {
        char name[32];

        snprintf(name, sizeof(name), "holes%u", n);
        i = gen_add(&g, 0, name, S_IFREG | 0644);
        for (unsigned k = 0; k < n; k++)
            gen_extent(&g, i, (uint64_t)k * 12288, 4096, true);
    }
    gen_judge(&g, NULL);
    gen_done(&g);
}

static void test_big(void **state)
{
    struct gen g;
    uint32_t i;

    (void)state;
    gen_init(&g);
    i = gen_add(&g, 0, "big", S_IFREG | 0644);
    gen_extent(&g, i, 0, UINT64_C(5) << 30, false);
    gen_file(&g, 0, "after", 10);
    gen_judge_structure(&g, NULL);
    gen_done(&g);
}

static void test_options(void **state)
{
    static const uint32_t sizes[] = {128, 256, 512, 1024};
    struct gen g;

    (void)state;
    gen_init(&g);
    gen_xattr(&g, gen_file(&g, 0, "f", 70000), "user.a", 40, 'a');
    for (size_t i = 0; i < FC_LENGTH(sizes); i++)
        gen_judge(&g, &(struct fc_ext4_options){.inode_size = sizes[i], .label = "sixteen bytes ok"});
    gen_judge(&g, &(struct fc_ext4_options){.journal = FC_EXT4_JOURNAL_NONE});
    gen_judge(&g, &(struct fc_ext4_options){.reserved_permille = 50, .free_bytes = 100 << 20, .epoch = 1600000000});
    gen_judge(&g, &(struct fc_ext4_options){.journal = FC_EXT4_JOURNAL_SIZE, .journal_bytes = 200 << 20});
    gen_judge(&g, &(struct fc_ext4_options){.n_inodes = 100000});
    gen_done(&g);
}

static void test_sizes(void **state)
{
    struct fc_ext4_options o = {0};
    struct fc_ext4_summary s;
    struct fc_image *image = NULL;
    struct fc_ext4_tables t;
    struct fc_error err = {0};
    struct gen g;

    (void)state;
    gen_init(&g);
    gen_file(&g, 0, "f", 3 << 20);
    o.size = gen_judge(&g, NULL).size;
    gen_judge(&g, &o);
    o.size -= 4096;
    t = gen_tables(&g);
    assert_int_equal(fc_ext4_plan_tables(&t, &o, &image, &s, &err), -ENOSPC);
    assert_int_equal(s.needed, o.size + 4096);
    for (int k = -40; k <= 40; k += 1) {
        o.size = (128ull << 20) + (uint64_t)(k * 4096 * 3);
        if (k % 8 == 0)
            gen_judge(&g, &o);
    }
    o.size = UINT64_C(16) * 128 << 20;
    gen_judge(&g, &o);
    o.size += 4 << 20;
    gen_judge(&g, &o);
    gen_done(&g);
}

/* A tree of a developer's size: planning is measured by hand with FC_TEST_TIME=1. */
static void test_many_files(void **state)
{
    unsigned n_dirs = getenv("FC_TEST_FULL") ? 25000 : 500;
    struct gen g;
    char name[32];

    (void)state;
    gen_init(&g);
    for (unsigned d = 0; d < n_dirs; d++) {
        uint32_t dir;

        snprintf(name, sizeof(name), "directory%u", d);
        dir = gen_add(&g, 0, name, S_IFDIR | 0755);
        for (unsigned f = 0; f < 12; f++) {
            uint32_t i;

            snprintf(name, sizeof(name), "some-file-name-%u.c", f);
            i = gen_add(&g, dir, name, S_IFREG | 0644);
            gen_extent(&g, i, 0, 3000 + f * 500, false);
        }
    }
    gen_judge(&g, NULL);
    gen_done(&g);
}

static void test_grows(void **state)
{
    struct gen g;

    (void)state;
    gen_init(&g);
    gen_file(&g, 0, "f", 3 << 20);
    gen_judge(&g, NULL);
    gen_run("truncate -s 6G");
    gen_run("resize2fs");
    gen_run("e2fsck -fn");
    gen_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_one_file),
        cmocka_unit_test(test_all_types),
        cmocka_unit_test(test_directory_sizes),
        cmocka_unit_test(test_large_directories),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_xattrs),
        cmocka_unit_test(test_sparse),
        cmocka_unit_test(test_big),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_grows),
        cmocka_unit_test(test_many_files),
    };

    cmocka_set_test_filter(getenv("FC_TEST_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
