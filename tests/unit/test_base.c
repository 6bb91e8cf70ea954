/* SPDX-License-Identifier: Apache-2.0 */
/* base: errors, buffers, maps, digests, atomic files, removal, quoting. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/child.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/io.h"
#include "base/map.h"
#include "base/path.h"

static char dir[64];

static int enter(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/fc-base-XXXXXX");
    return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int leave(void **state)
{
    (void)state;
    return chdir("/") == 0 ? fc_remove_all(AT_FDCWD, dir) : -1;
}

static void error_has_code_and_words(void **state)
{
    struct fc_error err = {0};

    (void)state;
    assert_int_equal(fc_fail(&err, EBADMSG, "entry %d", 7), -EBADMSG);
    assert_int_equal(fc_wrap(&err, "layer x"), -EBADMSG);
    assert_string_equal(err.msg, "layer x: entry 7");
    assert_int_equal(fc_fail_errno(&err, ENOENT, "open %s", "f"), -ENOENT);
    assert_string_equal(err.msg, "open f: No such file or directory");
    assert_int_equal(fc_fail(NULL, EIO, "nobody listens"), -EIO);
}

static void wrap_cuts_what_does_not_fit(void **state)
{
    struct fc_error err = {0};
    char lengthy[600];

    (void)state;
    memset(lengthy, 'x', sizeof(lengthy) - 1);
    lengthy[sizeof(lengthy) - 1] = '\0';
    fc_fail(&err, EIO, "%s", lengthy);
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
    fc_wrap(&err, "front");
    assert_memory_equal(err.msg, "front: xxx", 10);
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
}

static void map_agrees_with_an_array(void **state)
{
    enum { N = 5000 };
    static uint64_t model[N];
    struct fc_map m = {0};
    uint64_t value, seed = 1;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        uint64_t key;

        seed = seed * 6364136223846793005u + 1442695040888963407u;
        key = (seed >> 33) % N;
        if (seed >> 63) {
            assert_int_equal(fc_map_set(&m, key, seed | 1), 0);
            model[key] = seed | 1;
        } else {
            assert_int_equal(fc_map_del(&m, key), model[key] != 0);
            model[key] = 0;
        }
    }
    for (uint64_t key = 0; key < N; key++) {
        assert_int_equal(fc_map_get(&m, key, &value), model[key] != 0);
        if (model[key])
            assert_true(value == model[key]);
    }
    fc_map_release(&m);
}

static void arena_keeps_small_and_large_pieces(void **state)
{
    struct fc_arena a = {0};
    char *first = fc_arena_copy(&a, "first", 5), *large = fc_arena_alloc(&a, 1 << 20), *next;

    (void)state;
    assert_non_null(large);
    memset(large, 1, 1 << 20);
    next = fc_arena_copy(&a, "next", 4);
    assert_string_equal(first, "first");
    assert_string_equal(next, "next");
    fc_arena_release(&a);
}

static void digest_matches_the_standard_vector(void **state)
{
    struct fc_digest d, again;
    char text[FC_DIGEST_TEXT];

    (void)state;
    assert_int_equal(fc_digest_of("abc", 3, &d), 0);
    assert_string_equal(fc_digest_format(&d, text),
                        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(fc_digest_parse(text, &again), 0);
    assert_memory_equal(&d, &again, sizeof(d));
    assert_int_equal(fc_digest_parse("sha256:12", &again), -EINVAL);
}

static void atomic_file_appears_whole_or_not(void **state)
{
    struct fc_atomic a = {0};
    struct fc_error err = {0};
    struct fc_buf b = {0};

    (void)state;
    assert_int_equal(fc_atomic_begin(&a, "out", &err), 0);
    assert_int_equal(fc_write_full(a.fd, "data", 4), 0);
    assert_int_equal(access("out", F_OK), -1);
    fc_atomic_release(&a);
    assert_int_equal(fc_atomic_begin(&a, "out", &err), 0);
    assert_int_equal(fc_write_full(a.fd, "data", 4), 0);
    assert_int_equal(fc_atomic_commit(&a, true, &err), 0);
    fc_atomic_release(&a);
    assert_int_equal(fc_read_file(AT_FDCWD, "out", 100, &b), 0);
    assert_string_equal(b.data, "data");
    fc_buf_release(&b);
}

static void atomic_file_in_a_missing_folder_fails_with_words(void **state)
{
    struct fc_atomic a = {0};
    struct fc_error err = {0};

    (void)state;
    assert_int_equal(fc_atomic_begin(&a, "no/such/out", &err), -ENOENT);
    assert_non_null(strstr(err.msg, "no/such/out"));
}

static void remove_all_takes_deep_and_wide_trees(void **state)
{
    struct fc_error err = {0};
    char name[64];
    int keep;

    (void)state;
    assert_int_equal(fc_mkdir_all("t/a/b/c/d", &err), 0);
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof(name), "t/a/%d/x", i);
        assert_int_equal(fc_mkdir_all(name, &err), 0);
    }
    assert_int_equal(symlink("/etc", "t/a/etc"), 0);
    keep = open(".", O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < 3000; i++)
        assert_true(mkdir("deep", 0700) == 0 && chdir("deep") == 0);
    assert_int_equal(fchdir(keep), 0);
    close(keep);
    assert_int_equal(fc_remove_all(AT_FDCWD, "t"), 0);
    assert_int_equal(fc_remove_all(AT_FDCWD, "deep"), 0);
    assert_int_equal(access("t", F_OK), -1);
    assert_int_equal(access("deep", F_OK), -1);
    assert_int_equal(access("/etc/passwd", F_OK), 0);
    assert_int_equal(fc_remove_all(AT_FDCWD, "t"), 0);
}

static void names_are_shown_safely(void **state)
{
    char out[64];

    (void)state;
    assert_string_equal(fc_name_show(out, sizeof(out), "a\nb\x1b", 4), "a\\x0ab\\x1b");
    assert_string_equal(fc_name_show(out, sizeof(out), "gr\xc3\xbc\xff\\", 6), "gr\xc3\xbc\\xff\\\\");
    assert_string_equal(fc_name_show(out, 8, "abcdefghijk", 11), "abcd...");
}

static void child_gives_status_and_output(void **state)
{
    const char *const argv[] = {"sh", "-c", "echo out; echo err >&2; exit 3", NULL};
    const char *const missing[] = {"no-such-program-here", NULL};
    struct fc_error err = {0};
    struct fc_buf b = {0};

    (void)state;
    assert_int_equal(fc_child_run(argv, &b, &err), 3);
    assert_string_equal(b.data, "out\nerr\n");
    assert_int_equal(fc_child_run(missing, NULL, &err), -ENOENT);
    fc_buf_release(&b);
}

static void lock_keeps_others_out(void **state)
{
    int a = fc_lock_file("lock", true, false), b = fc_lock_file("lock", true, false);

    (void)state;
    assert_true(a >= 0);
    assert_int_equal(b, -EWOULDBLOCK);
    close(a);
    b = fc_lock_file("lock", false, false);
    assert_true(b >= 0);
    close(b);
}

static void copy_range_copies_across_kinds(void **state)
{
    int a = open("a", O_RDWR | O_CREAT, 0600), b = open("b", O_RDWR | O_CREAT, 0600);
    char text[11] = "";

    (void)state;
    assert_int_equal(fc_pwrite_full(a, "0123456789", 10, 4096), 0);
    assert_int_equal(fc_copy_range(a, 4098, b, 3, 5), 0);
    assert_int_equal(fc_pread_full(b, text, 10, 0), 8);
    assert_memory_equal(text,
                        "\0\0\0"
                        "23456",
                        8);
    assert_int_equal(fc_copy_range(a, 4100, b, 0, 100), -ENODATA);
    close(a);
    close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_has_code_and_words),
        cmocka_unit_test(wrap_cuts_what_does_not_fit),
        cmocka_unit_test(map_agrees_with_an_array),
        cmocka_unit_test(arena_keeps_small_and_large_pieces),
        cmocka_unit_test(digest_matches_the_standard_vector),
        cmocka_unit_test(atomic_file_appears_whole_or_not),
        cmocka_unit_test(atomic_file_in_a_missing_folder_fails_with_words),
        cmocka_unit_test(remove_all_takes_deep_and_wide_trees),
        cmocka_unit_test(names_are_shown_safely),
        cmocka_unit_test(child_gives_status_and_output),
        cmocka_unit_test(lock_keeps_others_out),
        cmocka_unit_test(copy_range_copies_across_kinds),
    };

    return cmocka_run_group_tests_name("base", tests, enter, leave);
}
