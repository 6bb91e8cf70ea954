/* SPDX-License-Identifier: Apache-2.0 */
/* Labels by rule, on a host that may have no SELinux. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <fccompose/label.h>

static char path[64];

static void write_rules(const char *suffix, const char *text)
{
    char name[96];
    FILE *f;

    snprintf(name, sizeof(name), "%s%s", path, suffix);
    f = fopen(name, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int setup(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "/tmp/fc-label-%ld", (long)getpid());
    return 0;
}

static int teardown(void **state)
{
    char name[96];

    (void)state;
    snprintf(name, sizeof(name), "%s.local", path);
    unlink(name);
    unlink(path);
    return 0;
}

static void expect(struct fc_labels *l, const char *at, uint32_t mode, const char *want)
{
    struct fc_error err = {0};
    const char *got = NULL;
    int r = fc_labels_find(l, at, mode, &got, &err);

    if (r < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(r, want != NULL);
    if (want)
        assert_string_equal(got, want);
}

static void test_rules(void **state)
{
    struct fc_labels *l = NULL;
    struct fc_error err = {0};
    const char *a, *b;

    (void)state;
    write_rules("", "# a comment\n"
                    "/.*\t\tsystem_u:object_r:default_t:s0\n"
                    "/etc(/.*)?\t\tsystem_u:object_r:etc_t:s0\n"
                    "/etc/shadow\t--\tsystem_u:object_r:shadow_t:s0\n"
                    "/dev/.*\t-c\tsystem_u:object_r:device_t:s0\n"
                    "/odd/.*\\.x\t--\tsystem_u:object_r:odd_t\n"
                    "/proc/.*\t\t<<none>>\n");
    write_rules(".local", "/srv/mine\t\tsystem_u:object_r:mine_t:s0\n");
    if (fc_labels_open(path, &l, &err) < 0)
        fail_msg("%s", err.msg);
    expect(l, "/", S_IFDIR | 0755, "system_u:object_r:default_t:s0");
    expect(l, "/x", S_IFREG, "system_u:object_r:default_t:s0");
    expect(l, "/etc", S_IFDIR | 0755, "system_u:object_r:etc_t:s0");
    expect(l, "/etc/shadow", S_IFREG | 0600, "system_u:object_r:shadow_t:s0");
    expect(l, "/etc/shadow", S_IFDIR | 0755, "system_u:object_r:etc_t:s0");
    expect(l, "/dev/null", S_IFCHR | 0666, "system_u:object_r:device_t:s0");
    expect(l, "/dev/null", S_IFREG | 0666, "system_u:object_r:default_t:s0");
    expect(l, "/odd/\xff\xfe name\nin two lines.x", S_IFREG, "system_u:object_r:odd_t");
    expect(l, "/proc/1", S_IFDIR, NULL);
    expect(l, "/srv/mine", S_IFREG, "system_u:object_r:mine_t:s0");
    assert_int_equal(fc_labels_find(l, "/one", S_IFREG, &a, &err), 1);
    assert_int_equal(fc_labels_find(l, "/two", S_IFREG, &b, &err), 1);
    assert_ptr_equal(a, b);
    fc_labels_free(l);
    fc_labels_free(NULL);
}

static void expect_refused(int code, const char *words)
{
    struct fc_labels *l = NULL;
    struct fc_error err = {0};

    assert_int_equal(fc_labels_open(path, &l, &err), -code);
    assert_null(l);
    if (!strstr(err.msg, words))
        fail_msg("\"%s\" says nothing of \"%s\"", err.msg, words);
}

static void test_malformed(void **state)
{
    struct fc_labels *l = NULL;
    struct fc_error err = {0};
    const char *label;

    (void)state;
    expect_refused(ENOENT, path);
    write_rules("", "/a(\t\tsystem_u:object_r:x_t:s0\n");
    if (fc_labels_open(path, &l, &err) == 0) { /* regular expressions are compiled when they are first needed */
        assert_true(fc_labels_find(l, "/a", S_IFREG, &label, &err) < 0);
        fc_labels_free(l);
        l = NULL;
    }
    write_rules("", "/a\t-x\tsystem_u:object_r:x_t:s0\n");
    expect_refused(EBADMSG, "malformed SELinux rules");
    write_rules("", "/only-a-path\n");
    expect_refused(EBADMSG, "malformed SELinux rules");
    write_rules("", "/a\t\tno-label\n");
    assert_int_equal(fc_labels_open(path, &l, &err), 0);
    assert_int_equal(fc_labels_find(l, "/a", S_IFREG, &label, &err), -EBADMSG);
    assert_non_null(strstr(err.msg, "\"no-label\", for /a, is no SELinux label"));
    fc_labels_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rules, setup, teardown),
        cmocka_unit_test_setup_teardown(test_malformed, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
