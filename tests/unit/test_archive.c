/* SPDX-License-Identifier: Apache-2.0 */
/* Tars made by GNU tar: every form, every compression, to the last byte. */
#include "unit/tar_help.h"

#include <errno.h>

#include "archive/acl.h"
#include "archive/pax.h"
#include "base/digest.h"

static struct fc_buf slurp(const char *path)
{
    struct fc_buf b = {0};

    assert_int_equal(fc_read_file(AT_FDCWD, path, 1u << 30, &b), 0);
    return b;
}

/* Read the tar @path and return its description, which is only compared, so that leaks do not matter here. */
static char *read_tar_file(const char *path, struct fc_tar_result *ret)
{
    static struct fc_buf out;
    struct fc_buf b = slurp(path);
    struct fc_error err = {0};
    struct fc_tar_result result;
    int r;

    fc_buf_clear(&out);
    r = describe_tar(b.data, b.len, 0, true, &out, ret ? ret : &result, &err);
    if (r < 0)
        fail_msg("%s: %s", path, err.msg);
    fc_buf_release(&b);
    return out.data;
}

static void expect(const char *path, const char *part)
{
    char *text = read_tar_file(path, NULL);

    if (!strstr(text, part))
        fail_msg("%s: no \"%s\" in:\n%s", path, part, text);
}

static void test_forms(void **state)
{
    static const char *const forms[] = {"v7", "ustar", "gnu", "oldgnu", "pax"};

    (void)state;
    sh("mkdir -p d && printf hello > d/f && ln d/f d/h && ln -s ../x/y d/l && "
       "touch -d @1000000000 d/f && touch -h -d @1000000000 d/l && chown -h 7:8 d/f d/l && chmod 4755 d/f && mkfifo -m "
       "640 d/p && "
       "touch -d @1000000000 d/p && mknod d/c c 5 261 && touch -d @1000000000 d/c && chmod 600 d/c && touch -d "
       "@1000000000 d");
    for (size_t i = 0; i < FC_LENGTH(forms); i++) {
        char command[200];
        const char *devices = strcmp(forms[i], "v7") ? "d/c d/p" : "";

        snprintf(command, sizeof(command), "tar --format=%s --no-recursion -cf t.tar d d/f d/h d/l %s", forms[i],
                 devices);
        sh(command);
        expect("t.tar", "add d 40755 0:0 0 1000000000.000000000\n"
                        "add d/f 104755 7:8 5 1000000000.000000000 [0+5] #");
        expect("t.tar", "link d/h 0 0:0 0 0.000000000 -> d/f\n"
                        "add d/l 120777 7:8 0 1000000000.000000000 -> ../x/y\n");
        if (*devices)
            expect("t.tar", "add d/c 20600 0:0 0 1000000000.000000000 dev=5,261\n"
                            "add d/p 10640 0:0 0 1000000000.000000000\n");
    }
}

static void test_long_names_in_any_bytes(void **state)
{
    static const char *const forms[] = {"gnu", "pax"};

    (void)state;
    sh("n=$(printf '\\377\\001e\\314\\201%0200d' 0) && mkdir -p \"l/$n/$n\" && ln -s \"$n$n$n\" \"l/$n/$n/s\"");
    for (size_t i = 0; i < FC_LENGTH(forms); i++) {
        char command[100];
        char *text;

        snprintf(command, sizeof(command), "tar --format=%s -cf t.tar l", forms[i]);
        sh(command);
        text = read_tar_file("t.tar", NULL);
        assert_non_null(strstr(text, "/\\xff\\x01e\xcc\x81"));
        assert_non_null(strstr(text, "/s 120777"));
        assert_non_null(strstr(text, "-> \\xff\\x01e\xcc\x81"));
    }
}

static void test_numbers(void **state)
{
    (void)state;
    sh("touch -d @-1.5 n && tar --format=pax --owner=:4000000000 --group=:3000000000 -cf p.tar n && "
       "tar --format=gnu --owner=:4000000000 --group=:3000000000 -cf g.tar n");
    expect("p.tar", "add n 100644 4000000000:3000000000 0 -2.500000000");
    expect("g.tar", "add n 100644 4000000000:3000000000 0 -2.000000000");
}

static void test_sparse(void **state)
{
    static const char *const forms[] = {"pax --sparse-version=0.0", "pax --sparse-version=0.1",
                                        "pax --sparse-version=1.0", "gnu", "oldgnu"};

    (void)state;
    sh("truncate -s 1M hole && truncate -s 300K tail && printf abc | dd of=tail bs=1 seek=65536 conv=notrunc "
       "status=none && truncate -s 70000 mid && printf zz >> mid && truncate -s 20M many && for i in $(seq 0 99); do "
       "printf $i | dd of=many bs=1 seek=$((i * 200000)) conv=notrunc status=none; done");
    for (size_t i = 0; i < FC_LENGTH(forms); i++) {
        char command[200], first[4096] = "";
        char *text;

        snprintf(command, sizeof(command), "tar -S --format=%s -cf t.tar hole tail mid many", forms[i]);
        sh(command);
        text = read_tar_file("t.tar", NULL);
        assert_non_null(strstr(text, "add hole 100644 0:0 1048576 "));
        assert_null(strstr(text, "[0+1048576]"));
        assert_non_null(strstr(text, " [65536+4096] #"));
        assert_non_null(strstr(text, " [69632+370] #"));
        assert_non_null(strstr(text, " 20971520 "));
        assert_non_null(strstr(text, "[19795968+4096]"));
        text = strchr(strstr(text, "add many"), '[');
        if (i == 0)
            snprintf(first, sizeof(first), "%s", text);
        else if (*first)
            assert_string_equal(text, first);
    }
}

static void test_xattrs_and_acls(void **state)
{
    char *text;

    (void)state;
    sh("touch a && mkdir b && setfattr -n user.k=%3D -v 0x00ff0a a && setfattr -n trusted.t -v x a && "
       "setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 a && "
       "setfacl -m u:1000:rwx,g::r,m::rwx a && setfacl -d -m u:5:r-x b && "
       "tar --format=pax --xattrs --xattrs-include='*' --acls -cf t.tar a b");
    text = read_tar_file("t.tar", NULL);
    /* u::rw- u:1000:rwx g::r-- m::rwx o::r-- */
    assert_non_null(strstr(text, "add a 100674 "));
    assert_non_null(strstr(text, " system.posix_acl_access=0200000001000600ffffffff02000700e803000004000400ffffffff"
                                 "10000700ffffffff20000400ffffffff trusted.t=78 user.k=%3D=00ff0a\n"));
    assert_non_null(strstr(text, " security.capability=0100000200200000000000000000000000000000 "));
    assert_non_null(strstr(text, " system.posix_acl_default=02000000"));
}

static void test_libarchive_xattrs(void **state)
{
    static const char records[] = "40 LIBARCHIVE.xattr.user.a%3Db=AP8KQQ==\n"
                                  "30 SCHILY.xattr.com.apple.x=1\n"
                                  "37 SCHILY.xattr.security.selinux=abc\n"
                                  "28 RHT.security.selinux=abc\n";
    struct fc_pax pax = {0};
    struct fc_error err = {0};

    (void)state;
    if (fc_pax_parse(&pax, records, sizeof(records) - 1, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(pax.n_xattrs, 4);
    assert_string_equal(pax.bytes.data + pax.xattrs[0].name, "user.a=b");
    assert_string_equal(pax.bytes.data + pax.xattrs[3].name, "security.selinux");
    assert_int_equal(pax.xattrs[0].size, 4);
    assert_memory_equal(pax.bytes.data + pax.xattrs[0].value, "\0\xff\nA", 4);
    fc_pax_release(&pax);
}

static void test_times(void **state)
{
    static const struct {
        const char *text;
        int result;
        int64_t sec;
        long nsec;
    } cases[] = {
        {"0", 0, 0, 0},
        {"1.5", 0, 1, 500000000},
        {"-1.5", 0, -2, 500000000},
        {"-0.25", 0, -1, 750000000},
        {"-7", 0, -7, 0},
        {"1.1234567899", 0, 1, 123456789},
        {"", -EBADMSG, 0, 0},
        {"-", -EBADMSG, 0, 0},
        {"1e5", -EBADMSG, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < FC_LENGTH(cases); i++) {
        struct timespec t = {0};

        assert_int_equal(fc_pax_time(cases[i].text, strlen(cases[i].text), &t), cases[i].result);
        assert_int_equal(t.tv_sec, cases[i].sec);
        assert_int_equal(t.tv_nsec, cases[i].nsec);
    }
    {
        struct timespec t;

        assert_int_equal(fc_pax_time("99999999999999999999999", 23, &t), 1);
    }
}

static void test_compression(void **state)
{
    static const char *const packs[] = {
        "cat t.tar > t.x",
        "gzip -c t.tar > t.x",
        "(head -c 5000 t.tar | gzip -c; tail -c +5001 t.tar | gzip -c) > t.x",
        "(gzip -c t.tar; head -c 700 /dev/zero) > t.x",
        "zstd -qc t.tar > t.x",
        "(printf '\\120\\052\\115\\030\\003\\000\\000\\000abc'; head -c 5000 t.tar | zstd -qc; "
        "printf '\\137\\052\\115\\030\\000\\000\\000\\000'; tail -c +5001 t.tar | zstd -qc) > t.x",
        "xz -c t.tar > t.x",
        "(head -c 5000 t.tar | xz -c; tail -c +5001 t.tar | xz -c) > t.x",
        "bzip2 -c t.tar > t.x",
        "(head -c 5000 t.tar | bzip2 -c; tail -c +5001 t.tar | bzip2 -c) > t.x",
    };
    struct fc_digest want;
    char *expected;
    struct fc_buf tar;

    (void)state;
    sh("seq 1 20000 > s && tar -cf t.tar s && printf 'junk behind the end' >> t.tar");
    tar = slurp("t.tar");
    assert_int_equal(fc_digest_of(tar.data, tar.len, &want), 0);
    expected = strdup(read_tar_file("t.tar", NULL));
    for (size_t i = 0; i < FC_LENGTH(packs); i++) {
        struct fc_tar_result result;

        if (strstr(packs[i], "zstd") && system("command -v zstd >/dev/null") != 0)
            continue;
        sh(packs[i]);
        assert_string_equal(read_tar_file("t.x", &result), expected);
        assert_int_equal(result.tar_bytes, tar.len);
        assert_memory_equal(&result.diffid, &want, sizeof(want));
        assert_int_equal(result.n_notes, 1);
    }
    free(expected);
    fc_buf_release(&tar);
}

static void test_small_pieces(void **state)
{
    struct fc_buf tar, out = {0}, small = {0};
    struct fc_tar_result result, again;

    (void)state;
    sh("seq 1 3000 > s && truncate -s 50000 h && printf x >> h && tar -S --format=pax -cf t.tar s h && gzip -kf t.tar");
    tar = slurp("t.tar");
    assert_int_equal(describe_tar(tar.data, tar.len, 0, true, &out, &result, NULL), 0);
    for (size_t step = 1; step < 600; step += 97) {
        fc_buf_clear(&small);
        assert_int_equal(describe_tar(tar.data, tar.len, step, true, &small, &again, NULL), 0);
        assert_string_equal(small.data, out.data);
        assert_memory_equal(&again.diffid, &result.diffid, sizeof(result.diffid));
    }
    fc_buf_release(&tar);
    fc_buf_release(&out);
    fc_buf_release(&small);
}

static void test_acl_text(void **state)
{
    static const char text[] = "user::rw-\ngroup:staff:r-x:50 # effective\nuser:joe:rwx:7,g::r--,other:---,u:9:-w-";
    struct fc_buf value = {0}, back = {0};
    unsigned dropped;

    (void)state;
    assert_int_equal(fc_acl_from_text(text, strlen(text), 0640, &value, &dropped), 0);
    assert_true(fc_acl_valid(value.data, value.len));
    assert_int_equal(fc_acl_to_text(value.data, value.len, &back), 0);
    assert_string_equal(back.data, "user::rw-,user:7:rwx,user:9:-w-,group::r--,group:50:r-x,mask::rwx,other::---");
    fc_buf_clear(&value);
    assert_int_equal(fc_acl_from_text("user:joe:rwx", 12, 0640, &value, &dropped), 0);
    assert_int_equal(dropped, 1);
    assert_int_equal(value.len, 4 + 3 * 8);
    fc_buf_clear(&value);
    assert_int_equal(fc_acl_from_text("user::rw-,user::r--", 19, 0640, &value, &dropped), -EBADMSG);
    assert_int_equal(fc_acl_from_text("user::rwq", 9, 0640, &value, &dropped), -EBADMSG);
    fc_buf_release(&value);
    fc_buf_release(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),           cmocka_unit_test(test_long_names_in_any_bytes),
        cmocka_unit_test(test_numbers),         cmocka_unit_test(test_sparse),
        cmocka_unit_test(test_xattrs_and_acls), cmocka_unit_test(test_libarchive_xattrs),
        cmocka_unit_test(test_times),           cmocka_unit_test(test_compression),
        cmocka_unit_test(test_small_pieces),    cmocka_unit_test(test_acl_text),
    };

    return cmocka_run_group_tests(tests, enter_scratch, leave_scratch);
}
