/* SPDX-License-Identifier: Apache-2.0 */
/* The tar writer: what it writes reads back the same, and GNU tar reads it, too. */
#include "unit/tar_help.h"

#include <errno.h>

static int to_buf(void *arg, const void *data, size_t size, struct fc_error *err)
{
    (void)err;
    return fc_buf_add(arg, data, size);
}

static void write_one(struct fc_tar_writer *w, const struct fc_entry *e, const char *content)
{
    struct fc_error err = {0};
    struct fc_block block = {content, content ? strlen(content) : 0, 0};

    if (fc_tar_writer_entry(w, e, &err) < 0 || (content && fc_tar_writer_data(w, &block, &err) < 0))
        fail_msg("%s", err.msg);
}

/* A tar with a bit of everything. */
static void write_all(struct fc_buf *tar)
{
    static const uint8_t cap[20] = {1, 0, 0, 2, 0, 0x20};
    static const uint8_t acl[] = {2, 0,   0,   0,   1,   0,   6,  0, 255, 255, 255, 255, 2,   0,  7,
                                  0, 232, 3,   0,   0,   4,   0,  4, 0,   255, 255, 255, 255, 16, 0,
                                  7, 0,   255, 255, 255, 255, 32, 0, 4,   0,   255, 255, 255, 255};
    const struct fc_xattr xattrs[] = {
        {"security.capability", cap, 20}, {"system.posix_acl_access", acl, sizeof(acl)}, {"user.a%=b", "\0\n=", 3}};
    char name[240], text[4001];
    struct fc_tar_writer *w = NULL;
    struct fc_tar_extent holes[] = {{4096, 4}, {8192, 4096}};
    struct fc_block block = {"abcd", 4, 4096};
    struct fc_entry e = {.path = "", .mode = S_IFDIR | 0755};

    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    memset(text, 't', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(fc_tar_writer_new(to_buf, tar, &w, NULL), 0);
    write_one(w, &e, NULL);
    e = (struct fc_entry){.path = "f",
                          .mode = S_IFREG | 04674,
                          .uid = 4000000000u,
                          .gid = 5,
                          .size = 10,
                          .mtime = {-2, 500000000},
                          .xattrs = xattrs,
                          .n_xattrs = 3};
    write_one(w, &e, "hello"); /* the rest is zeros */
    write_one(w, &(struct fc_entry){.op = FC_ENTRY_HARDLINK, .path = "h", .target = "f"}, NULL);
    write_one(w, &(struct fc_entry){.path = "s", .mode = S_IFLNK | 0777, .target = text}, NULL);
    write_one(w, &(struct fc_entry){.path = name, .mode = S_IFIFO | 0600, .mtime = {1, 1}}, NULL);
    write_one(w, &(struct fc_entry){.path = "c", .mode = S_IFCHR | 0600, .rdev_major = 4000, .rdev_minor = 3000000},
              NULL);
    write_one(w, &(struct fc_entry){.path = "k", .mode = S_IFSOCK | 0600}, NULL);
    e = (struct fc_entry){.path = "holes", .mode = S_IFREG | 0644, .size = 20000};
    assert_int_equal(fc_tar_writer_sparse_entry(w, &e, holes, 2, NULL), 0);
    assert_int_equal(fc_tar_writer_data(w, &block, NULL), 0);
    e.path = "hole";
    assert_int_equal(fc_tar_writer_sparse_entry(w, &e, NULL, 0, NULL), 0);
    write_one(w, &(struct fc_entry){.op = FC_ENTRY_WHITEOUT, .path = "d/gone"}, NULL);
    write_one(w, &(struct fc_entry){.op = FC_ENTRY_OPAQUE, .path = "d"}, NULL);
    assert_int_equal(fc_tar_writer_finish(w, NULL), 0);
    fc_tar_writer_free(w);
}

static void test_round_trip(void **state)
{
    struct fc_buf tar = {0}, again = {0}, out = {0};
    struct fc_error err = {0};
    struct fc_tar_result result;

    (void)state;
    write_all(&tar);
    write_all(&again);
    assert_int_equal(tar.len % 10240, 0);
    assert_int_equal(tar.len, again.len);
    assert_memory_equal(tar.data, again.data, tar.len);
    if (describe_tar(tar.data, tar.len, 0, true, &out, &result, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(result.n_notes, 0);
    assert_non_null(strstr(out.data, "add  40755 0:0 0 0.000000000\nadd f 104674 4000000000:5 10 -2.500000000 "
                                     "security.capability=0100000200200000000000000000000000000000 "
                                     "system.posix_acl_access=0200000001000600ffffffff02000700e8030000"
                                     "04000400ffffffff10000700ffffffff20000400ffffffff user.a%=b=000a3d [0+10] #"));
    assert_non_null(strstr(out.data, "link h 0 0:0 0 0.000000000 -> f\nadd s 120777 0:0 0 0.000000000 -> tttt"));
    assert_non_null(strstr(out.data, "nnnn 10600 0:0 0 1.000000001\nadd c 20600 0:0 0 0.000000000 dev=4000,3000000\n"
                                     "add k 140600 0:0 0 0.000000000\nadd holes 100644 0:0 20000 0.000000000 "
                                     "[4096+4] [8192+4096] #"));
    assert_non_null(strstr(out.data, "add hole 100644 0:0 20000 0.000000000\nadd d/.wh.gone 100000 "));
    assert_non_null(strstr(out.data, "add d/.wh..wh..opq 100000 "));
    fc_buf_release(&tar);
    fc_buf_release(&again);
    fc_buf_release(&out);
}

static void test_gnu_tar_reads_it(void **state)
{
    struct fc_buf tar = {0};
    FILE *f = fopen("w.tar", "w");

    (void)state;
    write_all(&tar);
    assert_int_equal(fwrite(tar.data, 1, tar.len, f), tar.len);
    assert_int_equal(fclose(f), 0);
    fc_buf_release(&tar);
    sh("mkdir x && tar --warning=no-unknown-keyword --xattrs --xattrs-include='*' --acls -C x -xpf w.tar --exclude=c");
    sh("cd x && test $(stat -c %u:%a:%s:%h f) = 4000000000:4674:10:2 && test $(stat -c %s:%b holes) = 20000:16 && "
       "test $(stat -c %s:%b hole) = 20000:0 && test \"$(getfattr --only-values -n user.a%=b f | od -An -tx1)\" = "
       "' 00 0a 3d' && getfacl -n f 2>/dev/null | grep -q user:1000:rwx && test \"$(stat -c %y f)\" = "
       "'1969-12-31 23:59:58.500000000 +0000' && getfattr -n security.capability f >/dev/null");
}

static void test_splits(void **state)
{
    (void)state;
    /* Paths around every limit of name and prefix. */
    for (size_t len = 90; len < 300; len++) {
        struct fc_buf tar = {0}, out = {0};
        struct fc_tar_writer *w = NULL;
        struct fc_tar_result result;
        char path[301];

        for (size_t i = 0; i < len; i++)
            path[i] = i % 50 == 40 ? '/' : 'p';
        if (path[len - 1] == '/')
            continue;
        path[len] = '\0';
        assert_int_equal(fc_tar_writer_new(to_buf, &tar, &w, NULL), 0);
        write_one(w, &(struct fc_entry){.path = path, .mode = S_IFDIR | 0700}, NULL);
        write_one(w, &(struct fc_entry){.path = path, .mode = S_IFLNK | 0777, .target = path}, NULL);
        assert_int_equal(fc_tar_writer_finish(w, NULL), 0);
        fc_tar_writer_free(w);
        assert_int_equal(describe_tar(tar.data, tar.len, 0, true, &out, &result, NULL), 0);
        assert_memory_equal(out.data + 4, path, len);
        assert_memory_equal(strchr(out.data, '\n') + 5, path, len);
        assert_memory_equal(strstr(out.data, "-> ") + 3, path, len);
        fc_buf_release(&tar);
        fc_buf_release(&out);
    }
}

static void test_misuse(void **state)
{
    struct fc_buf tar = {0};
    struct fc_tar_writer *w = NULL;
    struct fc_tar_extent run = {0, 4}, beyond = {10, 91};
    struct fc_entry e = {.path = "f", .mode = S_IFREG | 0644, .size = 100};
    struct fc_block b = {"abcdef", 6, 0};

    (void)state;
    assert_int_equal(fc_tar_writer_new(to_buf, &tar, &w, NULL), 0);
    assert_int_equal(fc_tar_writer_data(w, &b, NULL), -EINVAL);
    assert_int_equal(fc_tar_writer_sparse_entry(w, &e, &beyond, 1, NULL), -EINVAL);
    assert_int_equal(fc_tar_writer_sparse_entry(w, &e, &run, 1, NULL), 0);
    assert_int_equal(fc_tar_writer_data(w, &b, NULL), -EINVAL);
    fc_tar_writer_free(w);
    fc_buf_release(&tar);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_gnu_tar_reads_it),
        cmocka_unit_test(test_splits),
        cmocka_unit_test(test_misuse),
    };

    return cmocka_run_group_tests(tests, enter_scratch, leave_scratch);
}
