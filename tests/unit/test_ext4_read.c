/* SPDX-License-Identifier: Apache-2.0 */
/* Images read back are the trees that they were made of; what is no ext image is named. */
#include <errno.h>

#include "ext4_help.h"

static struct fc_snapshot *read_back(void)
{
    struct fc_snapshot *s = NULL;
    struct fc_error err = {0};

    if (fc_ext4_read_image(gen_path(), NULL, &s, &err) < 0)
        fail_msg("%s", err.msg);
    return s;
}

static void same_time(struct timespec a, struct timespec b)
{
    assert_int_equal(a.tv_sec, b.tv_sec);
    assert_int_equal(a.tv_nsec, b.tv_nsec);
}

static void same_content(const struct gen *g, const struct fc_snap_inode *want, const struct fc_snapshot *s,
                         const struct fc_snap_inode *got)
{
    static unsigned char a[65536], b[65536];
    const struct fc_snap_extent *e = fc_snapshot_extents(s, NULL) + got->first_extent;
    const struct fc_snap_source *sources = fc_snapshot_sources(s, NULL);

    assert_int_equal(got->size, want->size);
    assert_int_equal(got->n_extents, want->n_extents);
    for (uint32_t i = 0; i < want->n_extents; i++) {
        const struct fc_snap_extent *w = &g->extents[want->first_extent + i];
        uint64_t rounded = (w->length + 4095) / 4096 * 4096;

        assert_int_equal(e[i].offset, w->offset);
        assert_in_range(e[i].length, w->length, rounded);
        for (uint64_t at = 0; at < rounded; at += 4096) { /* also what must be zero behind the end */
            assert_int_equal(fc_pread_full(g->source.fd, a, 4096, w->source_offset + at), 4096);
            assert_int_equal(fc_pread_full(sources[e[i].source].fd, b, 4096, e[i].source_offset + at), 4096);
            assert_memory_equal(a, b, 4096);
        }
    }
}

static void same_inode(const struct gen *g, const struct fc_snap_inode *want, const struct fc_snapshot *s,
                       const struct fc_snap_inode *got)
{
    const struct fc_xattr *x = fc_snapshot_xattrs(s, NULL) + got->first_xattr;

    assert_int_equal(got->mode, want->mode);
    assert_int_equal(got->uid, want->uid);
    assert_int_equal(got->gid, want->gid);
    assert_int_equal(got->rdev_major, want->rdev_major);
    assert_int_equal(got->rdev_minor, want->rdev_minor);
    same_time(got->atime, want->atime);
    same_time(got->mtime, want->mtime);
    same_time(got->ctime, want->ctime);
    same_time(got->crtime, want->crtime);
    if (!S_ISDIR(want->mode))
        assert_int_equal(got->nlink, want->nlink);
    if (S_ISLNK(want->mode))
        assert_string_equal(got->target, want->target);
    if (S_ISREG(want->mode))
        same_content(g, want, s, got);
    assert_int_equal(got->n_xattrs, want->n_xattrs);
    for (uint32_t i = 0; i < want->n_xattrs; i++) {
        const struct fc_xattr *w = &g->xattrs[want->first_xattr + i];

        assert_string_equal(x[i].name, w->name);
        assert_int_equal(x[i].size, w->size);
        assert_memory_equal(x[i].value, w->value, w->size);
    }
}

/* Names of one directory are the same in both, and lead to the same; *links: inode of the snapshot by inode of the tree. */
static void same_dir(const struct gen *g, uint32_t want, const struct fc_snapshot *s, uint32_t got, uint32_t *links)
{
    const struct fc_snap_inode *w = &g->inodes[want], *inodes = fc_snapshot_inodes(s, NULL), *i = &inodes[got];
    const struct fc_snap_dentry *d = fc_snapshot_dentries(s, NULL) + i->first_dentry;

    assert_int_equal(i->n_dentries, w->n_dentries);
    for (uint32_t k = 0; k < w->n_dentries; k++) {
        const struct fc_snap_dentry *n = &g->dentries[w->first_dentry + k];

        assert_int_equal(d[k].name_len, n->name_len);
        assert_memory_equal(d[k].name, n->name, n->name_len);
        if (links[n->inode])
            assert_int_equal(links[n->inode], d[k].inode);
        links[n->inode] = d[k].inode;
        same_inode(g, &g->inodes[n->inode], s, &inodes[d[k].inode]);
        if (S_ISDIR(g->inodes[n->inode].mode))
            same_dir(g, n->inode, s, d[k].inode, links);
    }
}

static void judge_and_compare(struct gen *g, const struct fc_ext4_options *o)
{
    uint32_t *links = calloc(g->n_inodes, sizeof(*links));
    struct fc_snapshot *s;

    gen_judge(g, o);
    s = read_back();
    same_inode(g, &g->inodes[0], s, fc_snapshot_inodes(s, NULL));
    same_dir(g, 0, s, 0, links);
    fc_snapshot_free(s);
    free(links);
}

static void add_everything(struct gen *g)
{
    static const unsigned char acl[] = {2, 0, 0,    0,    1,    0,    7,  0, 255, 255, 255, 255, 2,   0,  6,
                                        0, 1, 0,    0,    0,    4,    0,  5, 0,   255, 255, 255, 255, 16, 0,
                                        7, 0, 0xff, 0xff, 0xff, 0xff, 32, 0, 4,   0,   255, 255, 255, 255};
    uint32_t d = gen_add(g, 0, "d", S_IFDIR | 01777), i;
    char name[32];

    i = gen_add(g, d, "char", S_IFCHR | 0600);
    g->inodes[i].rdev_major = 255;
    g->inodes[i].rdev_minor = 255;
    i = gen_add(g, d, "block", S_IFBLK | 0660);
    g->inodes[i].rdev_major = 4095;
    g->inodes[i].rdev_minor = (1u << 20) - 1;
    gen_add(g, d, "null device", S_IFCHR | 0600);
    gen_add(g, d, "fifo", S_IFIFO | 0644);
    gen_add(g, d, "socket", S_IFSOCK | 0755);
    gen_symlink(g, d, "one", 1);
    gen_symlink(g, d, "fast", 59);
    gen_symlink(g, d, "slow", 60);
    gen_symlink(g, d, "long", 4095);
    i = gen_file(g, d, "owned", 1);
    g->inodes[i].uid = 100000;
    g->inodes[i].gid = 4000000000u;
    g->inodes[i].mtime = (struct timespec){-86400, 1};
    g->inodes[i].atime = (struct timespec){(INT64_C(1) << 34) - (INT64_C(1) << 31) - 1, 999999999};
    gen_link(g, 0, "second", i);
    gen_link(g, d, "\xff\x01 \\", i);
    i = gen_file(g, 0, "holes", 0);
    gen_extent(g, i, 0, 8192, true);
    gen_extent(g, i, UINT64_C(1) << 33, 4096, true);
    gen_extent(g, i, UINT64_C(1) << 40, 5, true);
    g->inodes[i].size += UINT64_C(1) << 20;
    gen_file(g, 0, "empty", 0);
    i = gen_file(g, 0, "attributes", 4097);
    gen_xattr(g, i, "security.capability", 20, 3);
    gen_xattr(g, i, "system.posix_acl_access", sizeof(acl), 0);
    memcpy((void *)(uintptr_t)g->xattrs[g->n_xattrs - 1].value, acl, sizeof(acl));
    gen_xattr(g, i, "trusted.t", 0, 0);
    gen_xattr(g, i, "user.large", 3000, 'l');
    for (unsigned n = 0; n < 3000; n++) {
        snprintf(name, sizeof(name), "many-%u", n);
        i = gen_file(g, d, name, n % 3);
        if (n % 3 == 0)
            gen_xattr(g, i, "user.shared", 300, 's');
    }
}

static void test_everything(void **state)
{
    const struct fc_ext4_options small = {.inode_size = 128, .journal = FC_EXT4_JOURNAL_NONE};
    struct gen g;

    (void)state;
    gen_init(&g);
    add_everything(&g);
    judge_and_compare(&g, NULL);
    judge_and_compare(&g, &(struct fc_ext4_options){.inode_size = 1024});
    for (size_t i = 0; i < g.n_inodes;
         i++) /* 128 bytes hold seconds alone, from 1901 to 2038, and no time of creation */
        g.inodes[i].atime = g.inodes[i].mtime = g.inodes[i].ctime = g.inodes[i].crtime = (struct timespec){-5, 0};
    judge_and_compare(&g, &small);
    gen_done(&g);
}

/* The bytes of a file that follow another's end in its last block are the image's business, not the snapshot's. */
static void test_dirty_tail(void **state)
{
    static unsigned char garbage[4096], got[4096];
    const struct fc_snap_inode *i;
    const struct fc_snap_extent *e;
    struct fc_snapshot *s;
    struct gen g;
    int fd;

    (void)state;
    gen_init(&g);
    gen_file(&g, 0, "a", 5000);
    gen_file(&g, 0, "b", 100);
    gen_judge(&g, NULL);
    s = read_back();
    i = &fc_snapshot_inodes(s, NULL)[fc_snapshot_find(s, "a")];
    e = fc_snapshot_extents(s, NULL) + i->first_extent;
    memset(garbage, 0x5a, sizeof(garbage));
    fd = open(gen_path(), O_WRONLY);
    assert_int_equal(fc_pwrite_full(fd, garbage, 8192 - 5000, e->source_offset + 5000), 0);
    close(fd);
    fc_snapshot_free(s);
    s = read_back();
    i = &fc_snapshot_inodes(s, NULL)[fc_snapshot_find(s, "a")];
    e = fc_snapshot_extents(s, NULL) + i->first_extent;
    assert_int_equal(i->n_extents, 2);
    assert_int_equal(e[0].length, 4096);
    assert_int_equal(e[1].length, 5000 - 4096);
    assert_int_not_equal(e[0].source, e[1].source);
    fd = fc_snapshot_sources(s, NULL)[e[1].source].fd;
    assert_int_equal(fc_pread_full(fd, got, sizeof(got), e[1].source_offset), 4096);
    for (size_t k = 5000 - 4096; k < sizeof(got); k++)
        assert_int_equal(got[k], 0);
    fc_snapshot_free(s);
    gen_done(&g);
}

static void test_no_content(void **state)
{
    struct fc_ext4_read_options o = {.no_content = true};
    struct fc_snapshot *s = NULL;
    const struct fc_snap_inode *i;
    uint32_t n;
    struct gen g;

    (void)state;
    gen_init(&g);
    gen_file(&g, 0, "a", 5000);
    gen_file(&g, 0, "b", 6000);
    gen_judge(&g, NULL);
    assert_int_equal(fc_ext4_read_image(gen_path(), &o, &s, NULL), 0);
    i = &fc_snapshot_inodes(s, NULL)[fc_snapshot_find(s, "a")];
    assert_int_equal(i->size, 5000);
    assert_int_equal(i->n_extents, 0);
    fc_snapshot_extents(s, &n);
    assert_int_equal(n, 0);
    o.content_of = i->ino;
    fc_snapshot_free(s);
    assert_int_equal(fc_ext4_read_image(gen_path(), &o, &s, NULL), 0);
    fc_snapshot_extents(s, &n);
    assert_int_equal(n, 1);
    assert_int_equal(fc_snapshot_extents(s, NULL)->length, 5000);
    assert_int_equal(fc_snapshot_inodes(s, NULL)[fc_snapshot_find(s, "a")].n_extents, 1);
    fc_snapshot_free(s);
    gen_done(&g);
}

static void test_lost_found(void **state)
{
    struct fc_snapshot *s;
    struct gen g;

    (void)state;
    gen_init(&g);
    gen_judge(&g, NULL); /* with the one that every image has */
    s = read_back();
    assert_int_equal(fc_snapshot_find(s, "lost+found"), FC_TREE_NONE);
    assert_int_equal(fc_snapshot_inodes(s, NULL)[0].nlink, 2);
    fc_snapshot_free(s);
    gen_file(&g, gen_add(&g, 0, "lost+found", S_IFDIR | 0700), "#12", 100);
    gen_judge(&g, NULL);
    s = read_back();
    assert_int_not_equal(fc_snapshot_find(s, "lost+found/#12"), FC_TREE_NONE);
    fc_snapshot_free(s);
    gen_done(&g);
}

static void test_seed(void **state)
{
    struct fc_ext4_options o = {.have_uuid = true, .uuid = {1}};
    struct fc_digest a, b;
    struct fc_snapshot *s;
    struct gen g;

    (void)state;
    gen_init(&g);
    for (int turn = 0; turn < 3; turn++) {
        o.uuid[0] = turn < 2 ? 1 : 2;
        if (turn == 1)
            gen_file(&g, 0, "an edit", 1);
        gen_judge(&g, &o);
        s = read_back();
        b = *fc_snapshot_seed(s);
        fc_snapshot_free(s);
        if (turn == 0)
            a = b;
        else
            assert_int_equal(memcmp(&a, &b, sizeof(a)) == 0, turn == 1);
    }
    gen_done(&g);
}

static void refused(int code, const char *words)
{
    struct fc_snapshot *s = NULL;
    struct fc_error err = {0};
    int r = fc_ext4_read_image(gen_path(), NULL, &s, &err);

    if (r != -code || !strstr(err.msg, words) || !strstr(err.msg, gen_path()))
        fail_msg("%d, not %d: %s", r, -code, err.msg);
    assert_null(s);
}

/* A file of 1 MiB with @bytes at @offset. */
static void make_other(size_t offset, const char *bytes, size_t n)
{
    int fd = open(gen_path(), O_CREAT | O_TRUNC | O_WRONLY, 0600);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    assert_int_equal(fc_pwrite_full(fd, bytes, n, offset), 0);
    close(fd);
}

static void test_others(void **state)
{
    struct gen g;

    (void)state;
    make_other(0, "", 0);
    refused(EOPNOTSUPP, "holds no ext2, ext3 or ext4 file system");
    make_other(0, "\x1f\x8b", 2);
    refused(EOPNOTSUPP, "gzip");
    make_other(0, "\x28\xb5\x2f\xfd", 4);
    refused(EOPNOTSUPP, "zstd");
    make_other(0, "QFI\xfb", 4);
    refused(EOPNOTSUPP, "qemu-img convert");
    make_other(257, "ustar", 5);
    refused(EOPNOTSUPP, "-l");
    make_other(510, "\x55\xaa", 2);
    refused(EOPNOTSUPP, "none of its partitions");
    unlink(gen_path());
    refused(ENOENT, "No such file");
    assert_int_equal(mkdir(gen_path(), 0700), 0);
    refused(EISDIR, "folder");
    rmdir(gen_path());
    assert_int_equal(mkfifo(gen_path(), 0600), 0);
    refused(EINVAL, "neither a file nor a block device");
    unlink(gen_path());
    gen_init(&g);
    gen_judge(&g, NULL);
    assert_int_equal(truncate(gen_path(), 1 << 20), 0);
    refused(EBADMSG, "cut short");
    gen_done(&g);
}

/* The words give the command that takes the partition out. */
static void test_partition(void **state)
{
    unsigned char entry[16] = {[4] = 0x83, [8] = 0, [9] = 8}; /* sector 2048 */
    struct fc_buf image = {0};
    struct gen g;
    int fd;

    (void)state;
    gen_init(&g);
    gen_judge(&g, NULL);
    assert_int_equal(fc_read_file(AT_FDCWD, gen_path(), 64 << 20, &image), 0);
    make_other(510, "\x55\xaa", 2);
    fd = open(gen_path(), O_WRONLY);
    memcpy(entry + 12, &(uint32_t){(uint32_t)(image.len / 512)}, 4);
    assert_int_equal(fc_pwrite_full(fd, entry, sizeof(entry), 446), 0);
    assert_int_equal(fc_pwrite_full(fd, image.data, image.len, 1 << 20), 0);
    close(fd);
    refused(EOPNOTSUPP, "bs=512 skip=2048 count=");
    fc_buf_release(&image);
    gen_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything), cmocka_unit_test(test_dirty_tail), cmocka_unit_test(test_no_content),
        cmocka_unit_test(test_lost_found), cmocka_unit_test(test_seed),       cmocka_unit_test(test_others),
        cmocka_unit_test(test_partition),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
