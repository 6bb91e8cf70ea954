/* SPDX-License-Identifier: Apache-2.0 */
/* gzip by each engine: header fields, members, padding, and every kind of damage, with the same words from both. */
#include "unit/tar_help.h"

#include <errno.h>

#include <zlib.h>

#include "base/digest.h"

enum { FTEXT = 1, FHCRC = 2, FEXTRA = 4, FNAME = 8, FCOMMENT = 16 };

/* What one engine makes of some bytes. */
struct outcome {
    int r;
    struct fc_buf out;
    struct fc_error err;
    struct fc_tar_result result;
};

static struct fc_digest last_diffid; /* of what both() read */

static void run_engine(const char *engine, const void *data, size_t size, size_t step, struct outcome *ret)
{
    *ret = (struct outcome){0};
    assert_int_equal(setenv("FCCOMPOSE_INFLATE", engine, 1), 0);
    ret->r = describe_tar(data, size, step, true, &ret->out, &ret->result, &ret->err);
    unsetenv("FCCOMPOSE_INFLATE");
}

/*
 * The same words, but for two things that are an engine's own affair: how much it gives out before it notices damage, and so
 * the entry that is then under way; and that isa-l begins a block whose incomplete codes zlib refuses, so that the tar
 * reader may see nonsense, and say so, before isa-l does.
 */
static bool same_words(const char *a, const char *b)
{
    const char *p = strstr(a, "damaged gzip data"), *q = strstr(b, "damaged gzip data");

    return p && q ? strcmp(p, q) == 0 : (p || strcmp(a, b) == 0);
}

/* Both engines, the same outcome. Where there is but one engine it is compared with itself. Returns the code. */
static int both(const void *data, size_t size, size_t step, const char *part)
{
    struct outcome a, b;
    int r;

    run_engine("zlib", data, size, step, &a);
    run_engine("", data, size, step, &b);
    if (a.r != b.r || !same_words(a.err.msg, b.err.msg))
        fail_msg("zlib: %d \"%s\", the other: %d \"%s\"", a.r, a.err.msg, b.r, b.err.msg);
    if (a.r == 0) {
        assert_string_equal(a.out.data, b.out.data);
        assert_memory_equal(&a.result.diffid, &b.result.diffid, sizeof(a.result.diffid));
        assert_memory_equal(&a.result.source_digest, &b.result.source_digest, sizeof(a.result.diffid));
        assert_int_equal(a.result.tar_bytes, b.result.tar_bytes);
        assert_int_equal(a.result.source_bytes, size);
        last_diffid = a.result.diffid;
    }
    if (part && !strstr(a.r < 0 ? a.err.msg : a.out.data, part))
        fail_msg("\"%s\" is not in \"%s\"", part, a.r < 0 ? a.err.msg : a.out.data);
    r = a.r;
    fc_buf_release(&a.out);
    fc_buf_release(&b.out);
    return r;
}

/* A tar with text, noise and zeros in it: stored, fixed and dynamic blocks. */
static void make_tar(struct fc_buf *ret)
{
    sh("seq 1 9000 > text; seq 1 25000 | bzip2 -9 > noise; head -c 50000 /dev/zero > zeros; "
       "tar --mtime=@7 --owner=0 --group=0 --mode=644 -cf t.tar text noise zeros");
    assert_int_equal(fc_read_file(AT_FDCWD, "t.tar", 1 << 20, ret), 0);
}

static void add_u32(struct fc_buf *b, uint32_t v)
{
    const uint8_t bytes[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};

    fc_buf_add(b, bytes, sizeof(bytes));
}

/* One member with the header fields that @flags say; @flags beyond FCOMMENT are reserved ones. */
static void add_member(struct fc_buf *b, unsigned flags, int level, const void *data, size_t size)
{
    const uint8_t head[10] = {0x1f, 0x8b, 8, (uint8_t)flags, 1, 2, 3, 4, 0, 3};
    size_t from = b->len, room = size + size / 100 + 1000;
    z_stream z = {0};

    fc_buf_add(b, head, sizeof(head));
    if (flags & FEXTRA)
        fc_buf_add(b, "\x06\0AB\x02\0xy", 8);
    if (flags & FNAME)
        fc_buf_add(b, "name", 5);
    if (flags & FCOMMENT)
        fc_buf_add(b, "a comment", 10);
    if (flags & FHCRC) {
        uint32_t crc = (uint32_t)crc32(0, (const uint8_t *)b->data + from, (uInt)(b->len - from));

        fc_buf_add(b, (const uint8_t[2]){(uint8_t)crc, (uint8_t)(crc >> 8)}, 2);
    }
    assert_int_equal(fc_buf_reserve(b, room), 0);
    assert_int_equal(deflateInit2(&z, level, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (uint8_t *)(uintptr_t)data;
    z.avail_in = (uInt)size;
    z.next_out = (uint8_t *)b->data + b->len;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    b->len += z.total_out;
    deflateEnd(&z);
    add_u32(b, (uint32_t)crc32(0, data, (uInt)size));
    add_u32(b, (uint32_t)size);
}

static void test_header_fields(void **state)
{
    fc_auto(fc_buf_release) struct fc_buf tar = {0}, gz = {0};

    (void)state;
    make_tar(&tar);
    for (unsigned flags = 0; flags < 256; flags++) {
        fc_buf_clear(&gz);
        add_member(&gz, flags, 6, tar.data, tar.len);
        if (flags >= 32)
            assert_int_equal(both(gz.data, gz.len, 0, "damaged gzip data: not a header"), -EBADMSG);
        else
            assert_int_equal(both(gz.data, gz.len, 0, "add zeros"), 0);
        /* Byte by byte: the same text alone is a short stream. */
        fc_buf_clear(&gz);
        add_member(&gz, flags % 32, 9, tar.data, 1024);
        assert_int_equal(both(gz.data, gz.len, 1, "truncated"), -EBADMSG);
    }
    /* Every byte of a checked header. */
    for (size_t i = 3; i < 35; i++) {
        fc_buf_clear(&gz);
        add_member(&gz, FHCRC | FEXTRA | FNAME | FCOMMENT, 6, tar.data, tar.len);
        gz.data[i] ^= 0x20;
        assert_int_equal(both(gz.data, gz.len, 1, "damaged gzip data"), -EBADMSG);
    }
}

static void test_members_and_padding(void **state)
{
    static const char zeros[600];
    fc_auto(fc_buf_release) struct fc_buf tar = {0}, gz = {0};

    (void)state;
    make_tar(&tar);
    for (size_t at = 0; at < tar.len; at += 9973)
        add_member(&gz, at / 9973 % 32, (int)(at / 9973 % 10), tar.data + at,
                   tar.len - at < 9973 ? tar.len - at : 9973);
    add_member(&gz, 0, 6, "", 0);
    for (size_t step = 0; step < 3000; step += 999)
        assert_int_equal(both(gz.data, gz.len, step, "add zeros"), 0);
    fc_buf_add(&gz, zeros, sizeof(zeros));
    assert_int_equal(both(gz.data, gz.len, 0, "add zeros"), 0);
    gz.len -= sizeof(zeros);
    fc_buf_add(&gz, "\x1f\x8b", 2);
    assert_int_equal(both(gz.data, gz.len, 777, "add zeros"), 0);
    fc_buf_add(&gz, "\x08", 1);
    assert_int_equal(both(gz.data, gz.len, 777, "cut short"), -EBADMSG);
    gz.len -= 3;
    fc_buf_add(&gz, "junk", 4);
    assert_int_equal(both(gz.data, gz.len, 888, "add zeros"), 0);
}

static void test_cut_anywhere(void **state)
{
    fc_auto(fc_buf_release) struct fc_buf tar = {0}, gz = {0};

    (void)state;
    make_tar(&tar);
    add_member(&gz, FNAME, 6, tar.data, tar.len);
    for (size_t n = 3; n < gz.len; n += n < 100 || gz.len - n < 40 ? 1 : 2003)
        assert_int_equal(both(gz.data, n, 0, "cut short"), -EBADMSG);
    assert_int_equal(both(gz.data, gz.len, 0, "add zeros"), 0);
}

static void test_damage_anywhere(void **state)
{
    fc_auto(fc_buf_release) struct fc_buf tar = {0}, gz = {0};
    struct fc_digest whole;
    uint32_t seed = 1;
    int failed = 0;

    (void)state;
    make_tar(&tar);
    assert_int_equal(fc_digest_of(tar.data, tar.len, &whole), 0);
    for (int level = 0; level <= 9; level += 3) {
        fc_buf_clear(&gz);
        add_member(&gz, 0, level, tar.data, tar.len);
        /* The trailer: each of its bytes. */
        for (size_t i = gz.len - 8; i < gz.len; i++) {
            gz.data[i] ^= 1;
            assert_int_equal(both(gz.data, gz.len, 0, "wrong checksum or length"), -EBADMSG);
            gz.data[i] ^= 1;
        }
        for (int k = 0; k < 120; k++) {
            size_t at;
            char bit;

            seed = seed * 1664525 + 1013904223;
            bit = (char)(1 << (seed >> 29));
            /* Half of them near the beginning, where the first block is described. */
            at = k % 2 ? 10 + (seed >> 8) % 120 : 10 + (seed >> 4) % (gz.len - 18);
            gz.data[at] ^= bit;
            /* Some bits mean nothing, those that fill up a byte before a stored block: then it is the same tar. */
            if (both(gz.data, gz.len, 0, NULL) == 0)
                assert_memory_equal(&last_diffid, &whole, sizeof(whole));
            else
                failed++;
            gz.data[at] ^= bit;
        }
    }
    assert_true(failed > 4 * 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_fields),
        cmocka_unit_test(test_members_and_padding),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_damage_anywhere),
    };

    return cmocka_run_group_tests_name("archive_gzip", tests, enter_scratch, leave_scratch);
}
