/* SPDX-License-Identifier: Apache-2.0 */
/* The host directory as an entry stream. */
#include "unit/tar_help.h"

#include <dirent.h>
#include <errno.h>

static char *scan(const char *path, const struct fc_dir_options *options)
{
    static struct fc_buf out;
    struct fc_entry_iter *it = NULL;
    struct fc_error err = {0};
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    fc_buf_clear(&out);
    assert_int_equal(fc_dir_iter(fd, "dir:x", options, &it, &err), 0);
    close(fd);
    if (describe_stream(it, true, &out, &err) < 0)
        fail_msg("%s", err.msg);
    fc_entry_iter_free(it);
    return out.data;
}

static void test_types_and_order(void **state)
{
    (void)state;
    sh("umask 022 && mkdir -p t/b t/a && printf hi > t/a/f && ln t/a/f t/b/h && ln -s /etc t/l && mkfifo t/p && mknod "
       "t/c c 5 1 && "
       "printf x > \"t/$(printf '\\377\\001')\" && ln t/p t/q && chmod 6711 t/a/f && "
       "setfattr -n user.a -v b t/a && setfattr -n trusted.x -v y -h t/l && setfattr -n trusted.overlay.y -v z t/b && "
       "find t -exec touch -h -d @5.25 {} + && chmod 755 t t/a t/b && chmod 644 t/c t/p");
    assert_string_equal(scan("t", NULL), "add  40755 0:0 0 5.250000000\n"
                                         "add a 40755 0:0 0 5.250000000 user.a=62\n"
                                         "add a/f 106711 0:0 2 5.250000000 [0+2] #bde49cdd\n"
                                         "add b 40755 0:0 0 5.250000000\n"
                                         "link b/h 0 0:0 0 0.000000000 -> a/f\n"
                                         "add c 20644 0:0 0 5.250000000 dev=5,1\n"
                                         "add l 120777 0:0 0 5.250000000 -> /etc trusted.x=79\n"
                                         "add p 10644 0:0 0 5.250000000\n"
                                         "link q 0 0:0 0 0.000000000 -> p\n"
                                         "add \\xff\\x01 100644 0:0 1 5.250000000 [0+1] #2961e24b\n");
}

static void test_single_objects(void **state)
{
    (void)state;
    sh("printf abc > one && ln -s target two && touch -h -d @9 one two && chmod 600 one");
    assert_non_null(strstr(scan("one", NULL), "add  100600 0:0 3 9.000000000 [0+3] #"));
    assert_string_equal(scan("two", NULL), "add  120777 0:0 0 9.000000000 -> target\n");
}

static void test_holes(void **state)
{
    char *text;

    (void)state;
    sh("mkdir h && truncate -s 1M h/a && truncate -s 1M h/b && printf x | dd of=h/b bs=1 seek=500000 conv=notrunc "
       "status=none && truncate -s 6G h/c && printf y >> h/c");
    text = scan("h", NULL);
    assert_non_null(strstr(text, "add a 100644 "));
    assert_non_null(strstr(text, " 1048576 "));
    assert_non_null(strstr(text, " [499712+4096] #"));
    assert_non_null(strstr(text, " [6442450944+1] #"));
}

static void test_excludes(void **state)
{
    static const char *const patterns[] = {"*.o", "/x/y/**", "z"};
    struct fc_dir_options options = {.excludes = patterns, .n_excludes = 3};
    char *text;

    (void)state;
    sh("mkdir -p e/x/y/k e/z/deep && touch e/1.o e/x/2.o e/x/y/k/3 e/keep && find e -exec touch -d @1 {} +");
    text = scan("e", &options);
    assert_null(strstr(text, ".o"));
    assert_null(strstr(text, "deep"));
    assert_null(strstr(text, "add x/y/k"));
    assert_non_null(strstr(text, "add x/y 4"));
    assert_non_null(strstr(text, "add keep "));
}

static void test_mounts(void **state)
{
    struct fc_dir_options cross = {.cross_mounts = true};
    char *text;
    bool stays, crosses;

    (void)state;
    if (system("mkdir -p m/in m/src && touch m/src/inside m/file && mount --bind m/src m/in 2>/dev/null") != 0) {
        print_message("skipped: cannot mount here\n");
        skip();
    }
    text = scan("m", NULL);
    stays = strstr(text, "add in 4") && !strstr(text, "in/inside");
    crosses = strstr(scan("m", &cross), "add in/inside ");
    sh("umount m/in");
    assert_true(stays);
    assert_true(crosses);
}

static int count_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;

    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static void test_deep(void **state)
{
    struct fc_entry_iter *it = NULL;
    struct fc_error err = {0};
    const struct fc_entry *e;
    int fd, r, most = 0, n = 0;

    (void)state;
    mkdir("deep", 0755);
    fd = open("deep", O_RDONLY);
    for (int i = 0; i < 10000; i++) {
        int next;

        assert_int_equal(mkdirat(fd, "d", 0755), 0);
        if (i % 100 == 0)
            assert_true(mknodat(fd, "z", S_IFREG | 0644, 0) == 0);
        next = openat(fd, "d", O_RDONLY);
        close(fd);
        fd = next;
    }
    close(fd);
    fd = open("deep", O_RDONLY);
    assert_int_equal(fc_dir_iter(fd, "dir:deep", NULL, &it, &err), 0);
    close(fd);
    while ((r = fc_entry_next(it, &e, &err)) > 0) {
        int fds = n++ % 500 == 0 ? count_fds() : 0;

        most = fds > most ? fds : most;
    }
    if (r < 0)
        fail_msg("%s", err.msg);
    fc_entry_iter_free(it);
    assert_int_equal(n, 10101);
    assert_in_range(most, 1, 100);
}

static void test_wide(void **state)
{
    char *text;
    size_t lines = 0;

    (void)state;
    sh("mkdir w && cd w && seq -f n%g 1 50000 | xargs touch");
    text = scan("w", NULL);
    for (char *p = text; (p = strchr(p, '\n')) != NULL; p++)
        lines++;
    assert_int_equal(lines, 50001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types_and_order),
        cmocka_unit_test(test_single_objects),
        cmocka_unit_test(test_holes),
        cmocka_unit_test(test_excludes),
        cmocka_unit_test(test_mounts),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_wide),
    };

    return cmocka_run_group_tests(tests, enter_scratch, leave_scratch);
}
