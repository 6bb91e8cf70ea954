/* SPDX-License-Identifier: Apache-2.0 */
/* Trees at the borders of what ext4 holds: clean to e2fsck, and to the kernel just what was planned. */
#include <errno.h>

#include "ext4_kernel.h"
#include "tree_help.h"

static struct fc_image *plan(struct gen *g, const struct fc_ext4_options *o, struct fc_ext4_summary *ret)
{
    struct fc_ext4_tables t = gen_tables(g);
    struct fc_image *image = NULL;
    struct fc_error err = {0};

    if (fc_ext4_plan_tables(&t, o, &image, ret, &err) < 0)
        fail_msg("%s", err.msg);
    return image;
}

static void expect_failure(struct gen *g, const struct fc_ext4_options *o, int code, const char *words)
{
    struct fc_ext4_tables t = gen_tables(g);
    struct fc_image *image = NULL;
    struct fc_error err = {0};

    assert_int_equal(fc_ext4_plan_tables(&t, o, &image, NULL, &err), -code);
    assert_null(image);
    if (!strstr(err.msg, words))
        fail_msg("\"%s\" says nothing of \"%s\"", err.msg, words);
}

static void judge_and_compare(struct gen *g, const struct fc_ext4_options *o)
{
    gen_judge(g, o);
    gen_compare(g);
}

static struct ext2_super_block super_of(struct gen *g, const struct fc_ext4_options *o)
{
    struct fc_image *image = plan(g, o, NULL);
    struct ext2_super_block sb;
    struct fc_error err;

    assert_int_equal(fc_image_read(image, &sb, sizeof(sb), 1024, &err), sizeof(sb));
    fc_image_free(image);
    return sb;
}

static void test_identity(void **state)
{
    struct fc_ext4_options o = {0};
    struct ext2_super_block a, b;
    struct fc_ext4_tables t;
    struct gen g;

    (void)state;
    gen_init(&g);
    gen_file(&g, 0, "f", 5000);
    a = super_of(&g, &o);
    b = super_of(&g, &o);
    assert_memory_equal(&a, &b, sizeof(a));
    assert_memory_equal(a.s_volume_name, "rootfs\0", 7);
    assert_int_equal(a.s_overhead_clusters, a.s_blocks_count - a.s_free_blocks_count - 1 - 1 - 4 - 2);
    o.label = "sixteen bytes ok";
    b = super_of(&g, &o);
    assert_memory_equal(b.s_volume_name, o.label, 16);
    assert_memory_not_equal(a.s_uuid, b.s_uuid, 16);
    assert_memory_not_equal(a.s_hash_seed, b.s_hash_seed, 16);
    o = (struct fc_ext4_options){.have_uuid = true, .uuid = "0123456789abcde"};
    b = super_of(&g, &o);
    assert_memory_equal(b.s_uuid, o.uuid, 16);
    assert_memory_equal(a.s_hash_seed, b.s_hash_seed, 16);
    o.label = "seventeen bytes :";
    expect_failure(&g, &o, EINVAL, "label");
    t = gen_tables(&g);
    assert_int_equal(t.seed.bytes[0], 7);
    gen_done(&g);
}

/* Two plans of the same tree, read back in different pieces, are the same bytes as the file that was written. */
static void test_same_bytes(void **state)
{
    struct fc_image *a, *b;
    struct fc_error err;
    char x[70001], y[70001];
    struct gen g;
    int fd;

    (void)state;
    gen_init(&g);
    for (unsigned i = 0; i < 300; i++) {
        snprintf(x, sizeof(x), "file%u", i);
        gen_xattr(&g, gen_file(&g, 0, x, i * 100), "user.x", i % 200, 'x');
    }
    gen_judge(&g, NULL);
    a = plan(&g, NULL, NULL);
    b = plan(&g, NULL, NULL);
    fd = open(gen_path(), O_RDONLY);
    for (uint64_t at = 0; at < fc_image_size(a); at += sizeof(x)) {
        ssize_t n = fc_image_read(a, x, sizeof(x), at, &err);

        assert_true(n > 0);
        assert_int_equal(fc_image_read(b, y, sizeof(y), at, &err), n);
        assert_memory_equal(x, y, (size_t)n);
        assert_int_equal(pread(fd, y, sizeof(y), (off_t)at), n);
        assert_memory_equal(x, y, (size_t)n);
    }
    close(fd);
    fc_image_free(a);
    fc_image_free(b);
    gen_done(&g);
}

static void test_lost_found(void **state)
{
    struct gen g;
    uint32_t d, i;
    char name[256];

    (void)state;
    gen_init(&g);
    d = gen_add(&g, 0, "lost+found", S_IFDIR | 0751);
    g.inodes[d].uid = 5;
    g.inodes[d].gid = 70000;
    gen_xattr(&g, d, "user.mine", 5, 'm');
    gen_file(&g, d, "#12", 9000);
    gen_add(&g, d, "sub", S_IFDIR | 0700);
    judge_and_compare(&g, NULL);
    for (unsigned k = 0; k < 200; k++) { /* more than its blocks hold: a hash tree */
        snprintf(name, sizeof(name), "%0120u", k);
        gen_file(&g, d, name, 1);
    }
    judge_and_compare(&g, NULL);
    gen_done(&g);
    gen_init(&g);
    i = gen_file(&g, 0, "lost+found", 1);
    gen_link(&g, 0, "other", i);
    expect_failure(&g, NULL, EOPNOTSUPP, "/lost+found");
    gen_done(&g);
}

static struct timespec at(time_t sec, long nsec) { return (struct timespec){sec, nsec}; }

/* Every border of the time fields; out of range is clamped and counted. */
static void test_times(void **state)
{
    static const time_t inside[] = {
        -2147483648LL, -1,           0, 2147483647LL, 2147483648LL, 4294967295LL, 4294967296LL, 6442450943LL,
        6442450944LL,  15032385535LL};
    struct fc_ext4_options o = {0};
    struct fc_ext4_summary s;
    struct gen g;
    char name[32];
    uint32_t i;

    (void)state;
    gen_init(&g);
    for (size_t k = 0; k < FC_LENGTH(inside); k++) {
        snprintf(name, sizeof(name), "%zu", k);
        i = gen_file(&g, 0, name, 1);
        g.inodes[i].mtime = at(inside[k], 999999999);
        g.inodes[i].atime = at(inside[k], 0);
    }
    s = gen_judge(&g, NULL);
    assert_int_equal(s.n_clamped_times, 0);
    gen_compare(&g);
    o.inode_size = 128;
    s = gen_judge(&g, &o);
    assert_int_equal(s.n_clamped_times, 2 * 6);
    gen_done(&g);
    gen_init(&g);
    i = gen_file(&g, 0, "early", 1);
    g.inodes[i].mtime = at(-2208988800LL, 5); /* 1900 */
    i = gen_file(&g, 0, "late", 1);
    g.inodes[i].mtime = at(16725225600LL, 5); /* 2500 */
    s = gen_judge(&g, NULL);
    assert_int_equal(s.n_clamped_times, 2);
    g.inodes[1].mtime = at(-2147483648LL, 0);
    g.inodes[2].mtime = at(15032385535LL, 0);
    gen_compare(&g);
    gen_done(&g);
}

static void test_bad_acls(void **state)
{
    static const struct {
        unsigned char bytes[12];
        size_t size;
    } bad[] = {
        {{0}, 0},
        {{2, 0, 0}, 3},
        {{2, 0, 0, 0, 1}, 5},
        {{1, 0, 0, 0}, 4},
        {{2, 0, 0, 0, 1, 0, 7, 0}, 8},
        {{2, 0, 0, 0, 3, 0, 7, 0, 255, 255, 255, 255}, 12},
        {{2, 0, 0, 0, 0, 0, 7, 0, 255, 255, 255, 255}, 12},
        {{2, 0, 0, 0, 1, 1, 7, 0, 255, 255, 255, 255}, 12},
    };

    (void)state;
    for (size_t k = 0; k < FC_LENGTH(bad); k++) {
        struct gen g;
        uint32_t d, i;

        gen_init(&g);
        d = gen_add(&g, 0, "dir", S_IFDIR | 0755);
        i = gen_file(&g, d, "file", 1);
        gen_xattr(&g, i, k % 2 ? "system.posix_acl_access" : "system.posix_acl_default", bad[k].size, 0);
        memcpy((void *)(uintptr_t)g.xattrs[0].value, bad[k].bytes, bad[k].size);
        expect_failure(&g, NULL, EBADMSG, "/dir/file: malformed ACL in system.posix_acl_");
        gen_done(&g);
    }
}

/* A directory of @n names of @len bytes, all of one file, and one of @last bytes. */
static void fill_directory(struct gen *g, const char *name, unsigned n, unsigned len, unsigned last)
{
    uint32_t d = gen_add(g, 0, name, S_IFDIR | 0755), file;
    char text[256];

    memset(text, '-', sizeof(text));
    text[last ? last : 1] = '\0';
    file = gen_add(g, d, text, S_IFREG | 0644);
    for (unsigned i = last ? 0 : 1; i < n; i++) {
        snprintf(text, sizeof(text), "%0*u", (int)len, i);
        gen_link(g, d, text, file);
    }
}

static void test_directory_borders(void **state)
{
    /* One block has room for 4060 bytes of names, a leaf for 4084, the root for 507 leaves, a node for 510. */
    static const struct {
        unsigned n, len, last;
    } dirs[] = {{337, 4, 1},      {337, 4, 8},      {337, 4, 9},      {338, 4, 1},      {338, 4, 5},
                {339, 4, 5},      {339, 4, 8},      {340, 4, 1},      {340, 4, 4},      {341, 4, 4},
                {679, 4, 4},      {680, 4, 4},      {14, 255, 255},   {15, 255, 255},   {29, 255, 255},
                {30, 255, 255},   {7603, 255, 255}, {7604, 255, 255}, {7605, 255, 255}, {7606, 255, 255},
                {7619, 255, 255}, {7620, 255, 255}, {7649, 255, 255}, {7650, 255, 255}, {7651, 255, 255}};
    struct gen g;
    char name[32];

    (void)state;
    gen_init(&g);
    for (size_t i = 0; i < FC_LENGTH(dirs); i++) {
        snprintf(name, sizeof(name), "d%zu", i);
        fill_directory(&g, name, dirs[i].n, dirs[i].len, dirs[i].last);
    }
    judge_and_compare(&g, NULL);
    gen_done(&g);
}

struct hashed {
    uint32_t hash, number;
};

static int by_hash(const void *a, const void *b)
{
    const struct hashed *x = a, *y = b;

    return x->hash != y->hash ? (x->hash < y->hash ? -1 : 1) : x->number < y->number ? -1 : x->number > y->number;
}

#define N_HASHED 300000u
#define PER_LEAF 15u

/* Leaves of 15 names that each end with the first and begin with the second of two names of the same hash. */
static void test_hash_collisions(void **state)
{
    fc_auto(fc_free) struct hashed *all = calloc(N_HASHED, sizeof(*all));
    struct ext2_super_block sb;
    uint32_t d, file, minor, n_pairs = 0, put = 0, last = 0;
    char name[256];
    struct gen g;

    (void)state;
    gen_init(&g);
    sb = super_of(&g, NULL);
    for (uint32_t i = 0; i < N_HASHED; i++) {
        snprintf(name, sizeof(name), "%0255u", i);
        all[i].number = i;
        assert_int_equal(ext2fs_dirhash(EXT2_HASH_HALF_MD4, name, 255, sb.s_hash_seed, &all[i].hash, &minor), 0);
    }
    qsort(all, N_HASHED, sizeof(*all), by_hash);
    d = gen_add(&g, 0, "dir", S_IFDIR | 0755);
    file = gen_add(&g, 0, "file", S_IFREG | 0644);
    for (uint32_t i = PER_LEAF; i + 1 < N_HASHED; i++) {
        uint32_t fill = n_pairs ? PER_LEAF - 2 : PER_LEAF - 1;

        if (all[i].hash != all[i + 1].hash || i < last + fill)
            continue;
        for (uint32_t k = i - fill; k < i + 2; k++, put++) {
            snprintf(name, sizeof(name), "%0255u", all[k].number);
            gen_link(&g, d, name, file);
        }
        last = i + 2;
        n_pairs++;
    }
    assert_true(n_pairs >= 5);
    assert_int_equal(put, n_pairs * PER_LEAF + 1);
    judge_and_compare(&g, NULL);
    gen_done(&g);
}

/* A file that group borders cut, each block with its number, is whole to the kernel. */
static void test_cut_file(void **state)
{
    struct gen g;

    (void)state;
    gen_init(&g);
    gen_file(&g, 0, "before", 70 << 20);
    gen_file(&g, 0, "cut", 70 << 20);
    judge_and_compare(&g, NULL);
    judge_and_compare(&g, &(struct fc_ext4_options){.journal = FC_EXT4_JOURNAL_NONE});
    gen_done(&g);
}

static void test_xattr_borders(void **state)
{
    static const uint32_t sizes[] = {128, 256, 512, 1024};
    char name[32];

    (void)state;
    for (size_t k = 0; k < FC_LENGTH(sizes); k++) {
        unsigned body = sizes[k] > 160 ? sizes[k] - 160 - 4 - 20 - 4 : 8; /* the longest value that fits the inode */
        struct fc_ext4_options o = {.inode_size = sizes[k]};
        struct gen g;
        uint32_t i;

        gen_init(&g);
        for (unsigned n = body - 8; n <= body + 8; n++) {
            snprintf(name, sizeof(name), "one%u", n);
            gen_xattr(&g, gen_file(&g, 0, name, 1), "user.a", n, 'a');
            snprintf(name, sizeof(name), "two%u", n);
            i = gen_file(&g, 0, name, 1);
            gen_xattr(&g, i, "trusted.b", n / 2 > 12 ? n / 2 - 12 : 0, 'b');
            gen_xattr(&g, i, "user.a", n / 2, 'a');
        }
        for (unsigned n = 4036; n <= 4040; n++) {
            snprintf(name, sizeof(name), "block%u", n);
            gen_xattr(&g, gen_file(&g, 0, name, 1), "user.c", n, 'c');
        }
        i = gen_file(&g, 0, "both", 1);
        if (sizes[k] > 160)
            gen_xattr(&g, i, "user.a", body, 'a');
        gen_xattr(&g, i, "user.b", 4040, 'b');
        for (size_t m = 0; sizes[k] == 128 && m < g.n_inodes; m++) /* such inodes have whole seconds only */
            g.inodes[m].atime.tv_nsec = g.inodes[m].mtime.tv_nsec = g.inodes[m].ctime.tv_nsec = 0;
        judge_and_compare(&g, &o);
        i = gen_file(&g, 0, "more", 1);
        gen_xattr(&g, i, "user.d", 4041, 'd');
        o.profile = FC_EXT4_PROFILE_COMPAT;
        expect_failure(&g, &o, EOPNOTSUPP,
                       "/more: its extended attributes need more than the 4 KiB that ext4 has for them "
                       "without ea_inode, which the profile compat lacks");
        gen_done(&g);
    }
}

static void test_names_and_links(void **state)
{
    static const size_t lengths[] = {1, 58, 59, 60, 61, 255, 4094, 4095};
    struct gen g;
    char name[256], odd[256];
    uint32_t d;

    (void)state;
    gen_init(&g);
    for (size_t i = 0; i < FC_LENGTH(lengths); i++) {
        snprintf(name, sizeof(name), "link%zu", lengths[i]);
        gen_symlink(&g, 0, name, lengths[i]);
        gen_xattr(&g, (uint32_t)g.n_inodes - 1, "trusted.x", 100, 'x');
    }
    d = gen_add(&g, 0, "odd", S_IFDIR | 02770);
    for (unsigned c = 1; c < 256; c++) {
        if (c == '/' || c == '.')
            continue;
        memset(odd, (int)c, 255);
        odd[255] = '\0';
        gen_add(&g, d, odd, S_IFREG | 0600);
        odd[1] = '\0';
        gen_add(&g, d, odd, S_IFREG | 0600);
    }
    judge_and_compare(&g, NULL);
    gen_symlink(&g, 0, "toolong", 4096);
    expect_failure(&g, NULL, EOPNOTSUPP, "/toolong");
    gen_done(&g);
}

/* More names than one inode may have, and more subdirectories than a link count can say (by hand: FC_TEST_FULL=1). */
static void test_many_links(void **state)
{
    unsigned n_dirs = getenv("FC_TEST_FULL") ? 66000 : 200;
    struct gen g;
    uint32_t d, e, f;
    char name[32];

    (void)state;
    gen_init(&g);
    d = gen_add(&g, 0, "links", S_IFDIR | 0755);
    e = gen_add(&g, 0, "subdirectories", S_IFDIR | 0755);
    f = gen_file(&g, 0, "a", 100);
    for (unsigned i = 0; i < FC_EXT4_LINKS_MOST; i++) {
        snprintf(name, sizeof(name), "%u", i);
        gen_link(&g, d, name, f);
    }
    for (unsigned i = 0; i < n_dirs; i++) {
        snprintf(name, sizeof(name), "%u", i);
        gen_add(&g, e, name, S_IFDIR | 0755);
    }
    assert_int_equal(gen_judge(&g, NULL).n_split_links, 1);
    gen_compare(&g);
    gen_done(&g);
}

/* From a layer on disk to an image: the same bytes from each of two snapshots, and another UUID for another label. */
static void test_snapshot(void **state)
{
    struct fc_image *images[3] = {NULL};
    struct fc_snapshot *snapshots[2] = {NULL};
    struct fc_ext4_summary s[3];
    struct tree_test t;
    char a[4096], b[4096];

    (void)state;
    tree_begin(&t);
    LAYER(&t, DIR_M("dir", 0750, 7), FILE_("dir/file"), LINK("dir/again", "dir/file"), SYM("dir/link", "file"),
          DEV("null", 1, 3), FIFO("fifo"), DIR_M("lost+found", 0755, 3), FILE_("lost+found/kept"));
    LAYER(&t, WHITE("fifo"), FILE_("dir/other"));
    assert_int_equal(tree_fold(&t, NULL), 0);
    for (int i = 0; i < 3; i++) {
        struct fc_ext4_options o = {.label = i == 2 ? "other" : NULL};

        if (i < 2)
            assert_int_equal(fc_snapshot_of_tree(t.tree, &snapshots[i], &t.err), 0);
        assert_int_equal(fc_ext4_plan(snapshots[i % 2], &o, &images[i], &s[i], &t.err), 0);
    }
    assert_int_equal(fc_image_size(images[0]), fc_image_size(images[1]));
    for (uint64_t at = 0; at < fc_image_size(images[0]); at += sizeof(a)) {
        assert_int_equal(fc_image_read(images[0], a, sizeof(a), at, &t.err), sizeof(a));
        assert_int_equal(fc_image_read(images[1], b, sizeof(b), at, &t.err), sizeof(b));
        assert_memory_equal(a, b, sizeof(a));
    }
    assert_memory_equal(s[0].uuid, s[1].uuid, 16);
    assert_memory_not_equal(s[0].uuid, s[2].uuid, 16);
    assert_int_equal(fc_image_write(images[2], gen_path(), NULL, NULL, &t.err), 0);
    gen_run("e2fsck -fn");
    unlink(gen_path());
    for (int i = 0; i < 3; i++)
        fc_image_free(images[i]);
    fc_snapshot_free(snapshots[0]);
    fc_snapshot_free(snapshots[1]);
    tree_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity),        cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_lost_found),      cmocka_unit_test(test_times),
        cmocka_unit_test(test_bad_acls),        cmocka_unit_test(test_directory_borders),
        cmocka_unit_test(test_hash_collisions), cmocka_unit_test(test_cut_file),
        cmocka_unit_test(test_xattr_borders),   cmocka_unit_test(test_names_and_links),
        cmocka_unit_test(test_many_links),      cmocka_unit_test(test_snapshot),
    };

    cmocka_set_test_filter(getenv("FC_TEST_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
