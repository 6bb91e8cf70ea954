/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials: what each file and helper says, who wins, what is kept; and what registries ask for. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "oci/auth.h"

static char home[64];

static void write_file(const char *name, const char *text, mode_t mode)
{
    char path[160], *slash;
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", home, name);
    slash = strrchr(path, '/');
    *slash = '\0';
    assert_int_equal(fc_mkdir_all(path, NULL), 0);
    *slash = '/';
    f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void set_path(const char *variable, const char *name)
{
    char path[160];

    snprintf(path, sizeof(path), "%s/%s", home, name);
    setenv(variable, path, 1);
}

static int setup(void **state)
{
    (void)state;
    strcpy(home, "/tmp/fc-auth-XXXXXX");
    if (!mkdtemp(home))
        return -1;
    setenv("HOME", home, 1);
    unsetenv("REGISTRY_AUTH_FILE");
    unsetenv("XDG_CONFIG_HOME");
    unsetenv("DOCKER_CONFIG");
    set_path("XDG_RUNTIME_DIR", "run");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return fc_remove_all(AT_FDCWD, home);
}

/* Expect user and password (NULL: none) for host and repository. */
static void expect(const char *host, const char *repository, const char *user, const char *password)
{
    fc_auto(fc_oci_credentials_release) struct fc_oci_credentials c = {0};
    struct fc_error err = {0};
    int r = fc_oci_credentials_find(host, repository, &c, &err);

    if (r < 0)
        fail_msg("%s: %s", host, err.msg);
    if (!user) {
        assert_null(c.user);
        return;
    }
    assert_non_null(c.user);
    assert_string_equal(c.user, user);
    assert_string_equal(c.password, password);
}

static void nothing_anywhere(void **state)
{
    (void)state;
    expect("ghcr.io", "a/b", NULL, NULL);
}

/* dTpw is u:p, dTI6cDI= u2:p2, dTM6cDM= u3:p3. */
static void order_of_files(void **state)
{
    (void)state;
    write_file(".docker/config.json",
               "{\"auths\":{\"ghcr.io\":{\"auth\":\"dTM6cDM=\"},\"only.example\":{\"auth\":\"dTM6cDM=\"}}}", 0600);
    expect("ghcr.io", "a/b", "u3", "p3");
    write_file(".config/containers/auth.json", "{\"auths\":{\"ghcr.io\":{\"auth\":\"dTI6cDI=\"}}}", 0600);
    expect("ghcr.io", "a/b", "u2", "p2");
    write_file("run/containers/auth.json", "{\"auths\":{\"ghcr.io\":{\"auth\":\"dTpw\"}}}", 0600);
    expect("ghcr.io", "a/b", "u", "p");
    expect("only.example", "a/b", "u3", "p3");
    set_path("REGISTRY_AUTH_FILE", "mine.json");
    expect("ghcr.io", "a/b", NULL, NULL);
    write_file("mine.json", "{\"auths\":{\"ghcr.io\":{\"auth\":\"dTI6cDI=\"}}}", 0600);
    expect("ghcr.io", "a/b", "u2", "p2");
}

static void most_particular_entry(void **state)
{
    (void)state;
    write_file("run/containers/auth.json",
               "{\"auths\":{\"h.example\":{\"auth\":\"dTpw\"},\"h.example/a\":{\"auth\":\"dTI6cDI=\"},"
               "\"h.example/a/b\":{\"auth\":\"dTM6cDM=\"}}}",
               0600);
    expect("h.example", "a/b", "u3", "p3");
    expect("h.example", "a/bc", "u2", "p2");
    expect("h.example", "a/b/c", "u3", "p3");
    expect("h.example", "x", "u", "p");
    expect("h.example:5000", "x", NULL, NULL);
}

static void names_of_docker_hub(void **state)
{
    (void)state;
    write_file(".docker/config.json", "{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"dTpw\"}}}", 0600);
    expect("docker.io", "library/alpine", "u", "p");
    expect("index.example", "library/alpine", NULL, NULL);
}

static void tokens(void **state)
{
    fc_auto(fc_oci_credentials_release) struct fc_oci_credentials c = {0};

    (void)state;
    write_file(
        "run/containers/auth.json",
        "{\"auths\":{\"a.example\":{\"auth\":\"dTpw\",\"identitytoken\":\"ID\"},\"b.example\":{\"registrytoken\":"
        "\"RT\"},\"c.example\":{\"username\":\"n\",\"password\":\"w\"},\"d.example\":{}}}",
        0600);
    assert_int_equal(fc_oci_credentials_find("a.example", "x", &c, NULL), 0);
    assert_string_equal(c.identity_token, "ID");
    fc_oci_credentials_release(&c);
    assert_int_equal(fc_oci_credentials_find("b.example", "x", &c, NULL), 0);
    assert_string_equal(c.registry_token, "RT");
    expect("c.example", "x", "n", "w");
    expect("d.example", "x", NULL, NULL);
}

static void damaged_files(void **state)
{
    fc_auto(fc_oci_credentials_release) struct fc_oci_credentials c = {0};
    struct fc_error err = {0};

    (void)state;
    write_file("run/containers/auth.json", "{\"auths\":{\"a.example\":{\"auth\":\"secret!\"}}}", 0600);
    assert_int_equal(fc_oci_credentials_find("a.example", "x", &c, &err), -EBADMSG);
    assert_non_null(strstr(err.msg, "auth.json"));
    assert_null(strstr(err.msg, "secret"));
    write_file("run/containers/auth.json", "{\"auths\": secret}", 0600);
    assert_int_equal(fc_oci_credentials_find("a.example", "x", &c, &err), -EBADMSG);
    assert_non_null(strstr(err.msg, "column"));
    assert_null(strstr(err.msg, "secret"));
}

static void helper_program(const char *body)
{
    char path[200];

    write_file("bin/docker-credential-test", body, 0755);
    snprintf(path, sizeof(path), "%s/bin:/usr/bin:/bin", home);
    setenv("PATH", path, 1);
}

static void helpers(void **state)
{
    fc_auto(fc_oci_credentials_release) struct fc_oci_credentials c = {0};
    struct fc_error err = {0};

    (void)state;
    helper_program("#!/bin/sh\nread -r s\n[ \"$1\" = get ] || exit 9\ncase $s in\n"
                   "one.example) echo '{\"ServerURL\":\"x\",\"Username\":\"hu\",\"Secret\":\"hp\"}' ;;\n"
                   "tok.example) echo '{\"Username\":\"<token>\",\"Secret\":\"idt\"}' ;;\n"
                   "bad.example) echo broken; exit 1 ;;\n"
                   "*) echo 'credentials not found in native keychain'; exit 1 ;;\nesac\n");
    write_file("run/containers/auth.json",
               "{\"credHelpers\":{\"one.example\":\"test\",\"bad.example\":\"test\",\"gone.example\":\"absent\","
               "\"evil.example\":\"../x\"},\"credsStore\":\"test\",\"auths\":{\"two.example\":{\"auth\":\"dTpw\"}}}",
               0600);
    expect("one.example", "x", "hu", "hp");
    expect("two.example", "x", "u", "p");
    expect("three.example", "x", NULL, NULL);
    assert_int_equal(fc_oci_credentials_find("tok.example", "x", &c, NULL), 0);
    assert_string_equal(c.identity_token, "idt");
    assert_null(c.user);
    fc_oci_credentials_release(&c);
    assert_int_equal(fc_oci_credentials_find("bad.example", "x", &c, &err), -EACCES);
    assert_non_null(strstr(err.msg, "broken"));
    assert_int_equal(fc_oci_credentials_find("gone.example", "x", &c, &err), -ENOENT);
    assert_non_null(strstr(err.msg, "docker-credential-absent"));
    assert_int_equal(fc_oci_credentials_find("evil.example", "x", &c, &err), -EBADMSG);
}

static void login_and_logout(void **state)
{
    fc_auto(fc_free) char *where = NULL, *again = NULL;
    char path[160];
    struct stat st;
    struct fc_error err = {0};

    (void)state;
    write_file("run/containers/auth.json", "{\"auths\":{\"keep.example\":{\"auth\":\"dTpw\"}},\"other\":1}", 0644);
    assert_int_equal(fc_oci_credentials_store("new.example:5000", "me", "pass:word", &where, &err), 0);
    snprintf(path, sizeof(path), "%s/run/containers/auth.json", home);
    assert_string_equal(where, path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    expect("new.example:5000", "x", "me", "pass:word");
    expect("keep.example", "x", "u", "p");
    assert_int_equal(fc_oci_credentials_erase("new.example:5000", &again, &err), 0);
    expect("new.example:5000", "x", NULL, NULL);
    expect("keep.example", "x", "u", "p");
    assert_int_equal(fc_oci_credentials_erase("new.example:5000", &again, &err), -ENOENT);
    assert_int_equal(fc_oci_credentials_store("new.example", "a:b", "c", &again, &err), -EINVAL);
}

/* Header lines, and scheme, realm, service, scope as understood. */
static const struct {
    const char *headers, *realm, *service, *scope;
    bool bearer, basic;
} challenges[] = {
    {"Bearer realm=\"https://auth.example/token\",service=\"reg\",scope=\"repository:a/b:pull,push\"",
     "https://auth.example/token", "reg", "repository:a/b:pull,push", true, false},
    {"bearer Realm=https://auth.example/token , Service = \"r\\\"q\"", "https://auth.example/token", "r\"q", NULL, true,
     false},
    {"Basic realm=\"x\"", NULL, NULL, NULL, false, true},
    {"Basic realm=\"x\"\nBearer realm=\"y\"", "y", NULL, NULL, true, true},
    {"Basic realm=\"x\", Bearer realm=\"y\",service=z", "y", "z", NULL, true, true},
    {"Negotiate", NULL, NULL, NULL, false, false},
    {"Negotiate abc==, Bearer realm=\"y\"", "y", NULL, NULL, true, false},
    {"", NULL, NULL, NULL, false, false},
    {"Bearer realm=\"never ended", NULL, NULL, NULL, true, false},
    {"Bearer ,,, realm=", NULL, NULL, NULL, true, false},
    {"=\"", NULL, NULL, NULL, false, false},
};

static void same(const char *have, const char *want)
{
    if (want)
        assert_string_equal(have, want);
    else
        assert_null(have);
}

static void what_registries_ask(void **state)
{
    (void)state;
    for (size_t i = 0; i < FC_LENGTH(challenges); i++) {
        fc_auto(fc_oci_challenge_release) struct fc_oci_challenge c = {0};

        assert_int_equal(fc_oci_challenge_parse(challenges[i].headers, &c), 0);
        if (c.bearer != challenges[i].bearer || c.basic != challenges[i].basic)
            fail_msg("%s: bearer %d, basic %d", challenges[i].headers, c.bearer, c.basic);
        same(c.realm, challenges[i].realm);
        same(c.service, challenges[i].service);
        same(c.scope, challenges[i].scope);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_anywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(order_of_files, setup, teardown),
        cmocka_unit_test_setup_teardown(most_particular_entry, setup, teardown),
        cmocka_unit_test_setup_teardown(names_of_docker_hub, setup, teardown),
        cmocka_unit_test_setup_teardown(tokens, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_files, setup, teardown),
        cmocka_unit_test_setup_teardown(helpers, setup, teardown),
        cmocka_unit_test_setup_teardown(login_and_logout, setup, teardown),
        cmocka_unit_test(what_registries_ask),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
