/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of a run that need no namespace: users of the tree, the environment, the ids, words for programs that do not start. */
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

#include "run/internal.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/bash\n"
                             "broken:x\n"
                             "\n"
                             "4000:x:17:18::/home/digits:/bin/sh\n"
                             "web:x:33:34:a, b:/var/www:/usr/sbin/nologin\n"
                             "far:x:4294967294:4294967294::/far:\n"
                             "toofar:x:4294967295:1::/:\n"
                             "last:x:70:71::/last";
static const char group[] = "root:x:0:\nwheel:x:10:root,web\nx\ntape:x:11:webb,we,web\ndisk:x:6:webby\nweb:x:34:web\n";

static void users(void **state)
{
    static const struct {
        const char *text;
        uint32_t uid, gid;
        const char *home, *shell;
    } good[] = {
        {"root", 0, 0, "/root", "/bin/bash"},
        {"0", 0, 0, "/root", "/bin/bash"},
        {"web", 33, 34, "/var/www", "/usr/sbin/nologin"},
        {"33", 33, 34, "/var/www", "/usr/sbin/nologin"},
        {"33:tape", 33, 11, "/var/www", "/usr/sbin/nologin"},
        {"web:77", 33, 77, "/var/www", "/usr/sbin/nologin"},
        {"4000", 17, 18, "/home/digits", "/bin/sh"},
        {"5000", 5000, 0, "/", ""},
        {"5000:5001", 5000, 5001, "/", ""},
        {"far", 4294967294u, 4294967294u, "/far", ""},
        {"last", 70, 71, "/last", ""},
    };
    static const char *const bad[] = {"nobody",  "toofar", "-1", "4294967295", "root:none",
                                      "root:-1", "",       ":0", "broken"};
    struct fc_error err = {0};
    struct run_user u;

    (void)state;
    for (size_t i = 0; i < FC_LENGTH(good); i++) {
        assert_int_equal(run_user_find(good[i].text, passwd, group, &u, &err), 0);
        assert_int_equal(u.uid, good[i].uid);
        assert_int_equal(u.gid, good[i].gid);
        assert_string_equal(u.home, good[i].home);
        assert_string_equal(u.shell, good[i].shell);
    }
    for (size_t i = 0; i < FC_LENGTH(bad); i++)
        assert_int_equal(run_user_find(bad[i], passwd, group, &u, &err), -ENOENT);
    /* Further groups by name, but not when a group is given; the first one is not among them. */
    assert_int_equal(run_user_find("33", passwd, group, &u, &err), 0);
    assert_int_equal(u.n_groups, 2);
    assert_int_equal(u.groups[0], 10);
    assert_int_equal(u.groups[1], 11);
    assert_int_equal(run_user_find("web:web", passwd, group, &u, &err), 0);
    assert_int_equal(u.n_groups, 0);
    assert_int_equal(run_user_find("1:1", "", "", &u, &err), 0);
}

static void environment(void **state)
{
    const char *const wanted[] = {"A=1", "PATH=/own", "A=2=3", "AB=", "EMPTY", NULL};
    struct fc_run_options o = {.env = wanted};
    struct run r = {.o = &o, .slave_fd = -1};
    char **env = run_environment(&r, "/home/me");
    size_t n = 0;

    (void)state;
    assert_non_null(env);
    assert_string_equal(run_environment_get(env, "PATH"), "/own");
    assert_string_equal(run_environment_get(env, "A"), "2=3");
    assert_string_equal(run_environment_get(env, "AB"), "");
    assert_string_equal(run_environment_get(env, "HOME"), "/home/me");
    assert_null(run_environment_get(env, "TERM"));
    assert_null(run_environment_get(env, "APT_CONFIG"));
    for (; env[n]; n++)
        free(env[n]);
    assert_int_equal(n, 5);
    free(env);
}

static void write_program(const char *path, const void *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, size), (ssize_t)size);
    close(fd);
}

static void programs(void **state)
{
    static const char arm[64] = "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\267\0";
    char path[] = "/tmp/fc-program-XXXXXX";
    struct fc_error err = {0};

    (void)state;
    close(mkstemp(path));
    write_program(path, "#!/no/such/sh -e\n", 17);
    run_explain_exec(path, ENOENT, &err);
    assert_non_null(strstr(err.msg, "its interpreter /no/such/sh is not in the tree"));
    write_program(path, "#! /bin/sh\r\n", 12);
    run_explain_exec(path, ENOENT, &err);
    assert_non_null(strstr(err.msg, "CR LF"));
    write_program(path, "echo hello\n", 11);
    run_explain_exec(path, ENOEXEC, &err);
    assert_non_null(strstr(err.msg, "neither ELF nor a script"));
    if (access("/proc/1/exe", R_OK) == 0) { /* root's to read; in a run pid 1 is of this program */
        write_program(path, arm, sizeof(arm));
        run_explain_exec(path, ENOEXEC, &err);
#ifndef __aarch64__
        assert_non_null(strstr(err.msg, "is for aarch64, this machine is "));
        assert_non_null(strstr(err.msg, "qemu-user"));
#endif
    }
    run_explain_exec("/", EACCES, &err);
    assert_string_equal(err.msg, "/: is a directory");
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(users), cmocka_unit_test(environment),
                                       cmocka_unit_test(programs)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
