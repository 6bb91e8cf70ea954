/* SPDX-License-Identifier: Apache-2.0 */
/* base: errors, buffers, maps, digests, atomic files, removal, quoting. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arch.h"
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

static void hash_matches_siphash_1_3(void **state)
{
    const uint64_t zero[2] = {0, 0}, key[2] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};

    (void)state;
    assert_true(fc_hash_keyed(zero, 7, "etc/hostname", 12) == 0x9553be78578ef037u);
    assert_true(fc_hash_keyed(key, 0, NULL, 0) == 0x5cb96f6ba2a4fcfcu);
    assert_true(fc_hash_keyed(key, 7, "etc/hostname", 12) == 0x9e41d1d65a51d3adu);
    assert_true(fc_hash_keyed(key, 7, "eightbyt", 8) == 0xd13e7e0baae36dcdu);
}

static void hash_has_a_secret_that_stays(void **state)
{
    const uint64_t zero[2] = {0, 0};
    uint64_t first = fc_hash(7, "etc/hostname", 12);

    (void)state;
    assert_true(first == fc_hash(7, "etc/hostname", 12));
    assert_true(first != fc_hash(8, "etc/hostname", 12));
    assert_true(first != fc_hash_keyed(zero, 7, "etc/hostname", 12));
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

/* What xxhsum -H2 prints. */
static void fast_digest_matches_xxhsum(void **state)
{
    static const char *const cases[][2] = {{"", "99aa06d3014798d86001c324468d497f"},
                                           {"abc", "06b05ab6733a618578af5f94892f3950"}};
    struct fc_hasher *h = fc_hasher_new_fast();
    struct fc_digest d;
    char text[FC_DIGEST_TEXT];

    (void)state;
    for (size_t i = 0; i < FC_LENGTH(cases); i++) {
        for (const char *p = cases[i][0]; *p; p++)
            assert_int_equal(fc_hasher_add(h, p, 1), 0);
        assert_int_equal(fc_hasher_finish(h, &d), 0);
        assert_memory_equal(fc_digest_format(&d, text) + 7, cases[i][1], 32);
        assert_string_equal(text + 7 + 32, "00000000000000000000000000000000");
    }
    fc_hasher_free(h);
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

static mode_t mode_after_rewrite(const char *path)
{
    struct fc_atomic a = {0};
    struct fc_error err = {0};
    struct stat st;

    assert_int_equal(fc_atomic_begin(&a, path, &err), 0);
    assert_int_equal(fc_atomic_commit(&a, false, &err), 0);
    assert_int_equal(lstat(path, &st), 0);
    return st.st_mode;
}

static void atomic_file_has_the_right_mode(void **state)
{
    mode_t mask = umask(027);

    (void)state;
    assert_int_equal(mode_after_rewrite("m"), S_IFREG | 0640);
    assert_int_equal(chmod("m", 04602), 0);
    assert_int_equal(mode_after_rewrite("m"), S_IFREG | 0602);
    if (geteuid() == 0) {
        assert_int_equal(chmod("m", 0666) | chown("m", 65534, 65534), 0);
        assert_int_equal(mode_after_rewrite("m"), S_IFREG | 0640);
    }
    assert_int_equal(chmod("m", 0666) | symlink("m", "link"), 0);
    assert_int_equal(mode_after_rewrite("link"), S_IFREG | 0640);
    umask(mask);
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
    assert_int_equal(symlink("elsewhere", "lock-link"), 0);
    assert_int_equal(fc_lock_file("lock-link", true, false), -ELOOP);
    assert_int_equal(access("elsewhere", F_OK), -1);
}

/* As an ordinary user (root passes every permission), in a child of its own. */
static void lock_works_on_what_may_only_be_read(void **state)
{
    int fd = open("read-only", O_RDONLY | O_CREAT, 0444), status;
    pid_t pid;

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(chmod(".", 0755), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (geteuid() == 0 && setuid(65534) < 0)
            _exit(2);
        _exit(fc_lock_file("read-only", false, false) < 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* Needs a mount namespace of its own; where there is none the case is passed over. */
static void lock_works_on_a_read_only_file_system(void **state)
{
    int status;
    pid_t pid;

    (void)state;
    assert_int_equal(mkdir("ro", 0755), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int fd;

        if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("none", "ro", "tmpfs", 0, NULL) < 0)
            _exit(77);
        fd = open("ro/lock", O_RDWR | O_CREAT, 0666);
        close(fd);
        if (fd < 0 || mount("none", "ro", NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0)
            _exit(77);
        _exit(fc_lock_file("ro/lock", true, false) < 0 || fc_lock_file("ro/missing", true, false) != -ENOENT);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
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

static void architectures_have_many_names(void **state)
{
    static const struct {
        const char *name, *machine, *oci, *variant;
    } rows[] = {
        {"AMD64", "x86_64", "amd64", ""}, {"arm64v8", "aarch64", "arm64", ""}, {"armhf", "armv7", "arm", "v7"},
        {"armel", "armv5", "arm", "v6"},  {"i686", "i386", "386", ""},         {"ppc64el", "ppc64le", "ppc64le", ""},
        {"mipsel", NULL, "mipsle", ""},
    };

    (void)state;
    for (size_t i = 0; i < FC_LENGTH(rows); i++) {
        const struct fc_arch *a = fc_arch_find(rows[i].name);

        assert_non_null(a);
        assert_string_equal(a->oci, rows[i].oci);
        assert_string_equal(a->variant, rows[i].variant);
        if (rows[i].machine)
            assert_string_equal(a->machine, rows[i].machine);
        else
            assert_null(a->machine);
        /* What a name stands for is a name itself, and stands for the same. */
        if (rows[i].machine)
            assert_string_equal(fc_arch_find(a->machine)->machine, a->machine);
    }
    assert_null(fc_arch_find("vax"));
    assert_non_null(fc_arch_find(fc_arch_host()));
}

static void programs_are_found_as_execvp_finds_them(void **state)
{
    const char *before = getenv("PATH");
    char *saved = before ? strdup(before) : NULL, *found;

    (void)state;
    setenv("PATH", "/nowhere::/bin", 1);
    found = fc_child_find("sh", NULL);
    assert_string_equal(found, "/bin/sh");
    free(found);
    assert_null(fc_child_find("no-such-program", "/bin"));
    assert_null(fc_child_find("/etc/passwd", NULL)); /* may not be executed */
    setenv("PATH", "/nowhere", 1);
    assert_null(fc_child_find("sh", NULL));
    found = fc_child_find("sh", "/elsewhere:/bin");
    assert_string_equal(found, "/bin/sh");
    free(found);
    found = fc_child_find("/bin/sh", NULL);
    assert_string_equal(found, "/bin/sh");
    free(found);
    if (saved)
        setenv("PATH", saved, 1);
    free(saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(architectures_have_many_names),
        cmocka_unit_test(programs_are_found_as_execvp_finds_them),
        cmocka_unit_test(error_has_code_and_words),
        cmocka_unit_test(wrap_cuts_what_does_not_fit),
        cmocka_unit_test(map_agrees_with_an_array),
        cmocka_unit_test(hash_matches_siphash_1_3),
        cmocka_unit_test(hash_has_a_secret_that_stays),
        cmocka_unit_test(arena_keeps_small_and_large_pieces),
        cmocka_unit_test(digest_matches_the_standard_vector),
        cmocka_unit_test(fast_digest_matches_xxhsum),
        cmocka_unit_test(atomic_file_appears_whole_or_not),
        cmocka_unit_test(atomic_file_has_the_right_mode),
        cmocka_unit_test(atomic_file_in_a_missing_folder_fails_with_words),
        cmocka_unit_test(remove_all_takes_deep_and_wide_trees),
        cmocka_unit_test(names_are_shown_safely),
        cmocka_unit_test(child_gives_status_and_output),
        cmocka_unit_test(lock_keeps_others_out),
        cmocka_unit_test(lock_works_on_what_may_only_be_read),
        cmocka_unit_test(lock_works_on_a_read_only_file_system),
        cmocka_unit_test(copy_range_copies_across_kinds),
    };

    return cmocka_run_group_tests_name("base", tests, enter, leave);
}
