/* SPDX-License-Identifier: Apache-2.0 */
/* Damaged and hostile images are refused in words: no crash, no endless loop, no memory or disk without bound. */
#include <errno.h>
#include <sys/resource.h>

#include "ext4_help.h"

/* Make an image of @kib KiB with mke2fs @options, and run @commands of debugfs on it. */
static void make(const char *options, unsigned kib, const char *commands)
{
    struct fc_buf line = {0};

    assert_int_equal(
        fc_buf_addf(&line,
                    "PATH=$PATH:/usr/sbin:/sbin; d=$(mktemp -d) && i=%s && rm -f $i && truncate -s %uK $i && "
                    "mkdir $d/dir $d/dir/below && head -c 3000 /dev/urandom >$d/file && ln $d/file $d/dir/link "
                    "&& for n in $(seq 60); do : >$d/dir/name-$n; done && ln -s target $d/fast && "
                    "ln -s $(printf %%090d 0) $d/slow && "
                    "for n in $(seq 12); do truncate -s $((n * 20000)) $d/sparse && echo end >>$d/sparse; done "
                    "&& mknod $d/pipe p && { setfattr -n user.a -v 1 $d/file 2>/dev/null; "
                    "setfattr -n user.b -v $(printf %%0200d 0) $d/dir 2>/dev/null; true; } && "
                    "mke2fs -q -F %s -d $d $i && rm -r $d && printf '%%b' '%s' | debugfs -w -f - $i >/dev/null 2>&1",
                    gen_path(), kib, options, commands),
        0);
    assert_int_equal(system(line.data), 0);
    fc_buf_release(&line);
}

static int try_read(struct fc_error *err)
{
    struct fc_snapshot *s = NULL;
    int r;

    *err = (struct fc_error){0};
    r = fc_ext4_read_image(gen_path(), NULL, &s, err);
    if (r < 0) {
        assert_null(s);
        assert_int_equal(err->code, -r);
        if (!strstr(err->msg, gen_path()))
            fail_msg("the image is not named: %s", err->msg);
    }
    fc_snapshot_free(s);
    return r;
}

static void refused(int code, const char *words)
{
    struct fc_error err;
    int r = try_read(&err);

    if (r != -code || !strstr(err.msg, words))
        fail_msg("%d, not %d with \"%s\": %s", r, -code, words, err.msg);
}

static uint64_t next_random(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

/* Change a few bytes, of those that are not zero rather than others, read, and put them back. */
static unsigned flip_round(int fd, const struct fc_buf *image, uint64_t *random)
{
    unsigned n = 1 + (unsigned)(next_random(random) % 4), at[4];
    struct fc_error err;
    int r;

    for (unsigned i = 0; i < n; i++) {
        unsigned char byte;

        do
            at[i] = (unsigned)(next_random(random) % image->len);
        while (!image->data[at[i]] && next_random(random) % 64);
        byte = (unsigned char)(next_random(random) % 4 ? image->data[at[i]] ^ (1 << next_random(random) % 8)
                                                       : (int)next_random(random));
        assert_int_equal(pwrite(fd, &byte, 1, at[i]), 1);
    }
    r = try_read(&err);
    /* Of the machine itself nothing is short. */
    if (r == -EINVAL || r == -ENOMEM || r == -ENOSPC || r == -EBADF || r == -EFAULT)
        fail_msg("%s", err.msg);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(pwrite(fd, &image->data[at[i]], 1, at[i]), 1);
    return r < 0;
}

static void flip(const char *options, uint64_t seed, unsigned rounds)
{
    struct fc_buf image = {0};
    unsigned failed = 0;
    struct fc_error err;
    int fd;

    make(options, 700, "");
    if (try_read(&err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(fc_read_file(AT_FDCWD, gen_path(), 1 << 20, &image), 0);
    fd = open(gen_path(), O_WRONLY);
    assert_true(fd >= 0);
    for (unsigned i = 0; i < rounds; i++)
        failed += flip_round(fd, &image, &seed);
    close(fd);
    assert_int_not_equal(failed, 0); /* else the bytes that were changed are none that matter */
    if (try_read(&err) < 0)
        fail_msg("not as it was: %s", err.msg);
    fc_buf_release(&image);
    unlink(gen_path());
}

/* Without checksums, so that damage is met where it is, and not at the door. FC_TEST_FLIPS: rounds for each kind of image. */
static void test_flips(void **state)
{
    static const char *const kinds[] = {
        "-t ext4 -b 1024 -N 128 -O ^metadata_csum,^has_journal,^resize_inode,inline_data,ea_inode,^flex_bg,^uninit_bg "
        "-I 256",
        "-b 1024 -N 128 -t ext2 -O ^resize_inode",
        "-t ext4 -b 4096 -N 128 -O ^metadata_csum,^has_journal,^resize_inode,^uninit_bg -I 256",
        "-t ext4 -b 1024 -N 128 -O metadata_csum,^has_journal,^resize_inode -I 256",
    };
    const char *text = getenv("FC_TEST_FLIPS");
    unsigned rounds = text ? (unsigned)atoi(text) : 1500;

    (void)state;
    for (size_t i = 0; i < FC_LENGTH(kinds); i++)
        flip(kinds[i], 0x9e3779b97f4a7c15u + i, rounds);
}

#define PLAIN "-b 1024 -N 128 -t ext2 -O ^resize_inode,^dir_index"

static void test_directories(void **state)
{
    (void)state;
    make(PLAIN, 700, "ln dir dir/below/up\\n");
    refused(EBADMSG, "another name");
    make(PLAIN, 700, "ln dir/below again\\n");
    refused(EBADMSG, "another name");
    make(PLAIN, 700, "ln <2> dir/root\\n");
    refused(EBADMSG, "another name");
    make(PLAIN, 700, "ln <9> reserved\\n");
    refused(EBADMSG, "inode 9 is no inode for files");
    make(PLAIN, 700, "set_inode_field file links_count 0\\n");
    refused(EBADMSG, "was removed");
    make(PLAIN, 700, "set_inode_field file mode 0170644\\n");
    refused(EBADMSG, "its type");
    make(PLAIN, 700, "set_inode_field <2> mode 0100644\\n");
    refused(EBADMSG, "the root is no directory");
    make(PLAIN, 700, "set_inode_field file block[0] 70000\\n");
    refused(EBADMSG, "\"/file\" (inode ");
    unlink(gen_path());
}

#define EXTENTS "-t ext4 -b 1024 -N 128 -O ^metadata_csum,^has_journal,^resize_inode,^uninit_bg"

/* The root of the extent tree by words: 0 magic and entries, 1 room and depth, 3 to 5 the first entry, 6 to 8 the second. */
static void test_extents(void **state)
{
    (void)state;
    make(EXTENTS, 700,
         "set_inode_field file block[0] 0x2f30a\\nset_inode_field file block[6] 0\\nset_inode_field file block[7] 1\\n"
         "set_inode_field file block[8] 100\\n");
    refused(EBADMSG, "not in order");
    make(EXTENTS, 700, "set_inode_field file block[5] 0x7fffffff\\n");
    refused(EBADMSG, "outside the image");
    make(EXTENTS, 700, "set_inode_field file block[1] 0x60004\\n");
    refused(EBADMSG, "too deep");
    make(EXTENTS, 700,
         "set_inode_field file block[1] 0x10004\\nset_inode_field file block[4] 100\\nset_inode_field file block[5] "
         "0\\n");
    refused(EBADMSG, "a block of its extent tree is none");
    unlink(gen_path());
}

static void test_unsupported(void **state)
{
    (void)state;
    make(PLAIN, 700, "set_inode_field dir flags 0x800\\n");
    refused(EOPNOTSUPP, "encrypted");
    make(PLAIN, 700, "set_inode_field dir flags 0x40000000\\n");
    refused(EOPNOTSUPP, "ignores the case");
    make(PLAIN, 700, "set_super_value feature_incompat 0x80000002\\n");
    refused(EOPNOTSUPP, "0x80000000");
    unlink(gen_path());
}

/* Put block @block of 1 KiB pointers to itself into the image. */
static void write_self_pointers(uint32_t block)
{
    uint32_t pointers[256];
    int fd = open(gen_path(), O_WRONLY);

    for (size_t i = 0; i < FC_LENGTH(pointers); i++)
        pointers[i] = block;
    assert_true(fd >= 0);
    assert_int_equal(fc_pwrite_full(fd, pointers, sizeof(pointers), (uint64_t)block * 1024), 0);
    close(fd);
}

/* 16 million blocks that are all the same: of a file they would fill the disk, of a directory the memory. */
static void test_amplified(void **state)
{
    struct rlimit memory = {UINT64_C(3) << 30, UINT64_C(3) << 30};

    (void)state;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_int_equal(setrlimit(RLIMIT_AS, &memory), 0);
#else
    (void)memory;
#endif
    make(PLAIN, 2000, "set_inode_field file block[TIND] 1900\\nset_inode_field file size 17246978048\\n");
    write_self_pointers(1900);
    refused(EBADMSG, "again and again");
    make(PLAIN, 2000, "set_inode_field dir block[TIND] 1900\\nset_inode_field dir size 4000000000\\n");
    write_self_pointers(1900);
    refused(EBADMSG, "damaged");
    unlink(gen_path());
}

/* A superblock that speaks of more than there is. */
static void test_super(void **state)
{
    (void)state;
    make(PLAIN, 700, "set_super_value blocks_count 4000000000\\n");
    refused(EBADMSG, "cut short");
    make(PLAIN, 700, "set_super_value log_block_size 40\\n");
    refused(EBADMSG, "makes no sense");
    make(PLAIN, 700, "set_super_value blocks_per_group 0\\n");
    refused(EBADMSG, "makes no sense");
    unlink(gen_path());
}

int main(void)
{
    char path[64];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flips),       cmocka_unit_test(test_directories), cmocka_unit_test(test_extents),
        cmocka_unit_test(test_unsupported), cmocka_unit_test(test_amplified),   cmocka_unit_test(test_super),
    };

    /* mke2fs and debugfs sync what they write: in memory that costs nothing. */
    snprintf(path, sizeof(path), "/dev/shm/fc-ext4-%ld.img", (long)getpid());
    if (access("/dev/shm", W_OK) == 0)
        setenv("FC_TEST_KEEP", path, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
