/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile and damaged tars: each fails with words, or has a safe meaning. */
#include "unit/tar_help.h"

#include <errno.h>

#include "archive/header.h"

/* A tar that is put together by hand. */
struct maker {
    struct fc_buf tar;
};

static struct fc_tar_raw *add_header(struct maker *m, char type, const char *name, uint64_t size)
{
    struct fc_tar_raw raw = {.typeflag = type, .mode = "0000644", .uid = "0000000", .gid = "0000000"};

    memcpy(raw.name, name, strlen(name));
    memcpy(raw.magic, "ustar\00000", 8);
    fc_tar_put_octal(raw.size, sizeof(raw.size), size);
    fc_tar_put_octal(raw.mtime, sizeof(raw.mtime), 7);
    fc_tar_put_checksum(&raw);
    fc_buf_add(&m->tar, &raw, sizeof(raw));
    return (struct fc_tar_raw *)(void *)(m->tar.data + m->tar.len - sizeof(raw));
}

static void add_data(struct maker *m, const void *data, size_t size)
{
    static const char zeros[FC_TAR_BLOCK];

    fc_buf_add(&m->tar, data, size);
    fc_buf_add(&m->tar, zeros, -size % FC_TAR_BLOCK);
}

static void add_end(struct maker *m)
{
    static const char zeros[2 * FC_TAR_BLOCK];

    fc_buf_add(&m->tar, zeros, sizeof(zeros));
}

/* A PAX header with one record. */
static void add_record(struct maker *m, const char *key, const char *value, size_t size)
{
    struct fc_buf b = {0};
    size_t rest = strlen(key) + size + 3, len = rest + 1;

    for (size_t digits = 1, limit = 10; len >= limit; limit *= 10)
        len = rest + ++digits;
    fc_buf_addf(&b, "%zu %s=", len, key);
    fc_buf_add(&b, value, size);
    fc_buf_add(&b, "\n", 1);
    add_header(m, 'x', "PaxHeaders/x", b.len);
    add_data(m, b.data, b.len);
    fc_buf_release(&b);
}

/* Read it; on success @part must be in the description, else in the words of the error. */
static void check(struct maker *m, int code, const char *part)
{
    struct fc_buf out = {0};
    struct fc_error err = {0};
    struct fc_tar_result result;
    int r = describe_tar(m->tar.data, m->tar.len, 0, true, &out, &result, &err);
    const char *text = r < 0 ? err.msg : out.data;

    if (r != code || !strstr(text, part) || (r < 0 && strncmp(text, "layer: ", 7) != 0))
        fail_msg("got %d \"%s\" instead of %d \"%s\"", r, text, code, part);
    fc_buf_release(&out);
    fc_buf_release(&m->tar);
}

static void test_paths(void **state)
{
    struct maker m = {0};

    (void)state;
    add_header(&m, '0', "a/../../etc/passwd", 0);
    check(&m, -EBADMSG, "entry \"a/../../etc/passwd\" at offset 0: the path leaves the tree");
    add_header(&m, '0', "/etc//./passwd", 0);
    check(&m, 0, "add etc/passwd 100644");
    add_header(&m, '5', "./", 0);
    check(&m, 0, "add  40644");
    add_header(&m, '0', ".", 0);
    check(&m, -EBADMSG, "the root of the tree must be a directory");
    add_header(&m, '0', "", 0);
    check(&m, -EBADMSG, "without a name");
    add_record(&m, "path", "a\0b", 3);
    add_header(&m, '0', "x", 0);
    check(&m, -EBADMSG, "NUL byte");
    add_header(&m, '0', "old-directory/", 0);
    check(&m, 0, "add old-directory 40644");
}

static void test_deep_path(void **state)
{
    struct maker m = {0};
    struct fc_buf path = {0};

    (void)state;
    for (int i = 0; i < 10000; i++)
        fc_buf_adds(&path, "d/");
    add_record(&m, "path", path.data, path.len);
    add_header(&m, '5', "x", 0);
    check(&m, 0, "d/d/d/d 40644");
    for (int i = 0; i < 60000; i++)
        fc_buf_adds(&path, "d/");
    add_record(&m, "path", path.data, path.len);
    add_header(&m, '5', "x", 0);
    check(&m, -EBADMSG, "longer than");
    fc_buf_release(&path);
}

static void test_links(void **state)
{
    char content[1024];
    struct fc_tar_raw *raw;
    struct maker m = {0};

    (void)state;
    raw = add_header(&m, '1', "h", 0);
    check(&m, -EBADMSG, "link without a target");
    raw = add_header(&m, '1', "h", 0);
    memcpy(raw->linkname, "../x", 4);
    fc_tar_put_checksum(raw);
    check(&m, -EBADMSG, "target of the hard link: the path leaves");
    raw = add_header(&m, '1', "h", 0);
    memcpy(raw->linkname, "/./x", 4);
    fc_tar_put_checksum(raw);
    check(&m, 0, "link h 0 0:0 0 0.000000000 -> x\n");
    raw = add_header(&m, '2', "s", 0);
    check(&m, -EBADMSG, "link without a target");
    /* Content behind a hard link is skipped; a size with nothing behind it is only that. */
    raw = add_header(&m, '1', "h", 600);
    memcpy(raw->linkname, "f", 1);
    fc_tar_put_checksum(raw);
    add_data(&m, memset(content, 'x', sizeof(content)), sizeof(content));
    add_header(&m, '0', "after", 0);
    check(&m, 0, "-> f\nadd after");
    raw = add_header(&m, '1', "h", 600);
    memcpy(raw->linkname, "f", 1);
    fc_tar_put_checksum(raw);
    add_header(&m, '0', "after", 0);
    check(&m, 0, "-> f\nadd after");
}

static void test_sizes(void **state)
{
    struct fc_tar_raw *raw;
    struct maker m = {0};

    (void)state;
    raw = add_header(&m, '0', "f", 0);
    memset(raw->size, 0xff, sizeof(raw->size));
    fc_tar_put_checksum(raw);
    check(&m, -EBADMSG, "negative or absurd size");
    raw = add_header(&m, '0', "f", 0);
    memset(raw->size, 0xff, sizeof(raw->size));
    raw->size[0] = (char)0x80;
    fc_tar_put_checksum(raw);
    check(&m, -EBADMSG, "absurd size");
    raw = add_header(&m, '0', "f", 0);
    memcpy(raw->size, "-0000000001", 12);
    fc_tar_put_checksum(raw);
    check(&m, -EBADMSG, "damaged or absurd size");
    add_record(&m, "size", "-1", 2);
    add_header(&m, '0', "f", 0);
    check(&m, -EBADMSG, "PAX record \"size\"");
    add_record(&m, "size", "99999999999999999999", 20);
    add_header(&m, '0', "f", 0);
    check(&m, -EBADMSG, "PAX record \"size\"");
    add_record(&m, "size", "9223372036854775807", 19);
    add_header(&m, '0', "f", 0);
    check(&m, -EBADMSG, "absurd size");
    add_header(&m, '0', "f", 077777777777);
    check(&m, -EBADMSG, "truncated");
    add_header(&m, 'x', "f", 077777777777);
    check(&m, -EBADMSG, "extended header of");
    add_header(&m, 'L', "f", 1u << 20);
    check(&m, -EBADMSG, "extended header of");
}

static void test_owners(void **state)
{
    struct fc_tar_raw *raw;
    struct maker m = {0};

    (void)state;
    add_record(&m, "uid", "4294967295", 10);
    add_header(&m, '0', "f", 0);
    check(&m, 0, "4294967295:0");
    add_record(&m, "uid", "4294967296", 10);
    add_header(&m, '0', "f", 0);
    check(&m, -EOPNOTSUPP, "beyond 32 bits");
    raw = add_header(&m, '0', "f", 0);
    memset(raw->gid, 0xff, sizeof(raw->gid));
    fc_tar_put_checksum(raw);
    check(&m, -EOPNOTSUPP, "the owner -1 does not fit");
    raw = add_header(&m, '0', "f", 0);
    memcpy(raw->uid, "xyz", 3);
    fc_tar_put_checksum(raw);
    check(&m, -EBADMSG, "damaged owner");
}

static void test_records(void **state)
{
    static const char *const bad[] = {"5 a=b\n",
                                      "7 a=b\n",
                                      "6 a=b\nx",
                                      "0 a=b\n",
                                      " 6 a=b\n",
                                      "6 =ab\n",
                                      "6 abc\n",
                                      "-6 a=b\n",
                                      "6a=bc\n",
                                      "99999999999 a=b\n",
                                      "4294967302 a=b\n",
                                      "6 a=bc",
                                      "18446744073709551622 a=b\n"};
    struct maker m = {0};

    (void)state;
    for (size_t i = 0; i < FC_LENGTH(bad); i++) {
        add_header(&m, 'x', "PaxHeaders/x", strlen(bad[i]));
        add_data(&m, bad[i], strlen(bad[i]));
        add_header(&m, '0', "f", 0);
        check(&m, -EBADMSG, "PAX record");
    }
    add_record(&m, "mtime", "12x", 3);
    add_header(&m, '0', "f", 0);
    check(&m, -EBADMSG, "\"mtime\"");
    add_record(&m, "SCHILY.acl.access", "user::rwz", 9);
    add_header(&m, '0', "f", 0);
    check(&m, -EBADMSG, "access control list");
    add_record(&m, "SCHILY.xattr.", "x", 1);
    add_header(&m, '0', "f", 0);
    check(&m, -EOPNOTSUPP, "beyond the limits");
}

static void test_global_header_is_no_file(void **state)
{
    struct maker m = {0};

    (void)state;
    add_header(&m, 'g', "pax_global_header", 19 + 12);
    add_data(&m, "19 comment=01234567\n11 mtime=5\n", 19 + 12);
    m.tar.data[156] = 'g';
    add_header(&m, '0', "f", 0);
    add_end(&m);
    check(&m, -EBADMSG, "PAX record"); /* the first record's length is one too small */
    add_header(&m, 'g', "pax_global_header", 20 + 11);
    add_data(&m, "20 comment=01234567\n11 mtime=5\n", 20 + 11);
    add_header(&m, '0', "f", 0);
    add_end(&m);
    check(&m, 0, "add f 100644 0:0 0 5.000000000\n");
}

static void test_sparse(void **state)
{
    static const struct {
        const char *map, *words;
    } cases[] = {
        {"1,1,1,1", "overlap"},
        {"5,1,1,1", "out of order"},
        {"0,1", "for 2 bytes"},
        {"0,1,2", "GNU.sparse.map"},
        {"0,9223372036854775807,5,1", "overlap"},
        {"9223372036854775807,2", "absurd"},
        {"0,1,200,1", "beyond the end"},
        {"0,,1", "GNU.sparse.map"},
    };
    struct maker m = {0};

    (void)state;
    for (size_t i = 0; i < FC_LENGTH(cases); i++) {
        add_record(&m, "GNU.sparse.map", cases[i].map, strlen(cases[i].map));
        add_record(&m, "GNU.sparse.size", "100", 3);
        add_header(&m, '0', "f", 2);
        add_data(&m, "xy", 2);
        add_end(&m);
        check(&m, -EBADMSG, cases[i].words);
    }
    add_record(&m, "GNU.sparse.map", "0,2", 3);
    add_header(&m, '0', "f", 2);
    add_data(&m, "xy", 2);
    check(&m, -EBADMSG, "without its size");
    for (int i = 0; i < 3; i++) {
        static const char *const maps[] = {"x\n", "5\n1\n", "4000000000\n"};

        add_record(&m, "GNU.sparse.major", "1", 1);
        add_record(&m, "GNU.sparse.realsize", "100", 3);
        add_header(&m, '0', "f", 512);
        add_data(&m, maps[i], strlen(maps[i]));
        add_end(&m);
        check(&m, -EBADMSG, "sparse map");
    }
}

static void test_ends(void **state)
{
    struct maker m = {0};

    (void)state;
    check(&m, -EBADMSG, "no bytes");
    fc_buf_adds(&m.tar, "not a tar");
    check(&m, -EBADMSG, "not a tar archive");
    add_data(&m, "some text", 9);
    check(&m, -EBADMSG, "not a tar archive");
    add_end(&m);
    check(&m, 0, "");
    add_header(&m, '0', "a", 0);
    add_data(&m, "junk", 4);
    check(&m, -EBADMSG, "at offset 512: damaged header");
    add_record(&m, "path", "x", 1);
    check(&m, -EBADMSG, "truncated");
    add_record(&m, "path", "x", 1);
    add_end(&m);
    check(&m, -EBADMSG, "behind an extended header");
    add_header(&m, 'M', "a", 0);
    check(&m, -EOPNOTSUPP, "volume");
}

static void test_cap(void **state)
{
    static const char content[100000];
    struct maker m = {0};
    struct fc_tar_options options = {.label = "bomb", .max_bytes = 4096};
    struct memory_source source;
    struct fc_entry_iter *it = NULL;
    struct fc_buf out = {0};
    struct fc_error err = {0};

    (void)state;
    add_header(&m, '0', "a", 100000);
    add_data(&m, content, sizeof(content));
    source = memory_source(m.tar.data, m.tar.len);
    source.step = 512;
    assert_int_equal(fc_tar_iter(&source.base, &options, &it, &err), 0);
    assert_int_equal(describe_stream(it, true, &out, &err), -EFBIG);
    assert_non_null(strstr(err.msg, "bomb: entry \"a\" at offset 0: more than the allowed 4096 bytes"));
    fc_entry_iter_free(it);
    fc_buf_release(&out);
    fc_buf_release(&m.tar);
}

/* Cut @b everywhere: what comes out is a beginning of @whole's description, or an error with words. */
static void cut_everywhere(const char *path, size_t step, bool must_fail)
{
    struct fc_buf b = {0}, out = {0}, cut = {0};
    struct fc_tar_result result;

    assert_int_equal(fc_read_file(AT_FDCWD, path, 1u << 24, &b), 0);
    assert_int_equal(describe_tar(b.data, b.len, 0, true, &out, &result, NULL), 0);
    for (size_t len = 0; len < b.len; len += step) {
        struct fc_error err = {0};
        char *copy = malloc(len + 1); /* exactly sized, for AddressSanitizer */
        int r;

        memcpy(copy, b.data, len);
        fc_buf_clear(&cut);
        r = describe_tar(copy, len, 0, true, &cut, &result, &err);
        free(copy);
        if (r < 0) {
            assert_true(r == -EBADMSG && strncmp(err.msg, "layer: ", 7) == 0);
        } else {
            assert_memory_equal(cut.data, out.data, cut.len);
            if (must_fail)
                fail_msg("%s cut at %zu of %zu was taken", path, len, b.len);
        }
    }
    fc_buf_release(&b);
    fc_buf_release(&out);
    fc_buf_release(&cut);
}

static void test_truncation(void **state)
{
    (void)state;
    sh("mkdir t && seq 1 300 > t/s && ln t/s t/l && truncate -s 9000 t/h && printf x >> t/h && "
       "setfattr -n user.a -v b t/s && ln -s $(printf %0150d 0) t/y && touch t/$(printf %0120d 0)");
    sh("tar -S --format=gnu -b1 -cf g.tar t && tar -S --xattrs --format=pax -b1 -cf p.tar t");
    cut_everywhere("g.tar", 1, false);
    cut_everywhere("p.tar", 7, false);
    cut_everywhere("p.tar", 512, false);
    sh("gzip -kf p.tar && xz -kf p.tar && bzip2 -kf p.tar");
    cut_everywhere("p.tar.gz", 1, true);
    cut_everywhere("p.tar.xz", 5, true);
    cut_everywhere("p.tar.bz2", 5, true);
    if (system("zstd -qf p.tar 2>/dev/null") == 0)
        cut_everywhere("p.tar.zst", 1, true);
}

/* Flip bytes: nothing may crash or hang; the sanitizers watch. */
static void test_damage(void **state)
{
    struct fc_buf b = {0}, out = {0};
    struct fc_tar_result result;
    uint64_t seed = 1;

    (void)state;
    assert_int_equal(fc_read_file(AT_FDCWD, "p.tar", 1u << 24, &b), 0);
    for (int i = 0; i < 3000; i++) {
        struct fc_tar_raw *raw;
        size_t at;
        char old[FC_TAR_BLOCK];

        seed = seed * 6364136223846793005u + 1442695040888963407u;
        at = (size_t)(seed >> 33) % b.len;
        raw = (struct fc_tar_raw *)(void *)(b.data + at / FC_TAR_BLOCK * FC_TAR_BLOCK);
        memcpy(old, raw, sizeof(old));
        b.data[at] = (char)(seed >> 20);
        if (fc_tar_block_kind((const uint8_t *)old) == FC_TAR_IS_HEADER)
            fc_tar_put_checksum(raw);
        fc_buf_clear(&out);
        describe_tar(b.data, b.len, 0, true, &out, &result, NULL);
        memcpy(raw, old, sizeof(old));
    }
    fc_buf_release(&b);
    fc_buf_release(&out);
}

static void test_gzip_checksum(void **state)
{
    struct fc_buf packed = {0}, out = {0};
    struct fc_tar_result result;
    struct fc_error err = {0};

    (void)state;
    sh("seq 1 500 > s && tar -cf c.tar s && gzip -kf c.tar");
    assert_int_equal(fc_read_file(AT_FDCWD, "c.tar.gz", 1 << 20, &packed), 0);
    packed.data[packed.len - 6] ^= 1; /* of the checksum; the last four bytes are the length */
    assert_int_equal(describe_tar(packed.data, packed.len, 0, true, &out, &result, &err), -EBADMSG);
    assert_non_null(strstr(err.msg, "damaged gzip data"));
    fc_buf_release(&packed);
    fc_buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_deep_path),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_owners),
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_global_header_is_no_file),
        cmocka_unit_test(test_sparse),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_cap),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_gzip_checksum),
    };

    /* And what is compressed once more by the engine that is everywhere. */
    const struct CMUnitTest zlib_tests[] = {
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_gzip_checksum),
    };
    int failed = cmocka_run_group_tests_name("archive_hostile", tests, enter_scratch, leave_scratch);

    setenv("FCCOMPOSE_INFLATE", "zlib", 1);
    return failed + cmocka_run_group_tests_name("archive_hostile, zlib", zlib_tests, enter_scratch, leave_scratch);
}
