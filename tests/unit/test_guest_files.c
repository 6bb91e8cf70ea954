/* SPDX-License-Identifier: Apache-2.0 */
/* Plans that touch files with much else in them: passwords, keys, an image's configuration, what hygiene takes out. */
#include "guest_help.h"

#include <crypt.h>
#include <jansson.h>

static const char passwd[] =
    "bin:x:1:1::/bin:/x\nroot:x:0:0:r:/home/r:/bin/sh\nroot2:x:0:0:::\n\xff\xfe:x:7:7::/:\nno end";

CASE(password_changes_one_field)
{
    struct fc_guest_options o = {.init = FC_GUEST_NONE, .password = (char[]){""}};
    BEGIN(DIR_("etc"));
    put(&lt, "/etc/passwd", 0644, passwd);
    put(&lt, "/etc/shadow", 0640, "a:b\nroot2:!:\nroot:*:19000:0:99999:7:::\n\x01:\n\n");
    DOES_ONCE(&o, "empty root's password: root logs in without one\n");
    CONTENT("/etc/shadow", "a:b\nroot2:!:\nroot::19000:0:99999:7:::\n\x01:\n\n");
    CONTENT("/etc/passwd", passwd);
    IS("/etc/shadow", "100640 0:0");
    o.password = (char *)(uintptr_t) "$6$salt$hash";
    DOES_ONCE(&o, "set root's password\n");
    CONTENT("/etc/shadow", "a:b\nroot2:!:\nroot:$6$salt$hash:19000:0:99999:7:::\n\x01:\n\n");
    o.password = (char *)(uintptr_t) "$nonsense";
    FAILS(&o, EINVAL, "crypt(5)");
    o.password = (char *)(uintptr_t) "$6$salt$ha:sh";
    FAILS(&o, EINVAL, "password");
    END;
}

CASE(password_is_hashed_the_same_each_time)
{
    struct fc_guest_options o = {.init = FC_GUEST_NONE, .password = (char[]){"correct horse"}};
    char *first, *second, *hash;
    BEGIN(DIR_("etc"));
    put(&lt, "/etc/passwd", 0644, "root:!:0:0::/root:/bin/sh");
    DOES_ONCE(&o, "set root's password\n");
    first = content(&lt, "/etc/passwd");
    hash = strdup(first + 5);
    hash[strcspn(hash, ":")] = '\0';
    assert_int_equal(strncmp(hash, "$6$", 3), 0);
    assert_string_equal(crypt("correct horse", hash), hash);
    put(&lt, "/etc/passwd", 0644, "root::0:0::/root:/bin/sh");
    free(enable(&lt, &o));
    second = content(&lt, "/etc/passwd");
    assert_string_equal(first, second);
    /* Another salt of the same password is as good. */
    free(first);
    asprintf(&first, "root:%s:0:0::/root:/bin/sh", crypt("correct horse", "$5$other$"));
    put(&lt, "/etc/passwd", 0644, first);
    DOES(&o, "");
    put(&lt, "/etc/passwd", 0644, "daemon:x:1:1:::\n");
    FAILS(&o, EOPNOTSUPP, "no root");
    free(first);
    free(second);
    free(hash);
    END;
}

CASE(shadow_counts_when_it_is_there)
{
    struct fc_guest_options o = {.init = FC_GUEST_NONE, .password = (char[]){""}};
    BEGIN(DIR_("etc"));
    put(&lt, "/etc/passwd", 0644, "root:*:0:0::/root:/bin/sh\n");
    put(&lt, "/etc/shadow", 0600, "root:!:::::::\n");
    DOES_ONCE(&o, "empty root's password: root logs in without one\n"
                  "root's password is the one in /etc/shadow\n");
    CONTENT("/etc/passwd", "root:x:0:0::/root:/bin/sh\n");
    END;
}

CASE(ssh_keys_are_added_once)
{
    char a[] = "ssh-ed25519 AAAA a", b[] = "ssh-rsa BBBB b", *keys[] = {a, b, a, NULL};
    struct fc_guest_options o = {.init = FC_GUEST_NONE, .ssh_keys = keys};
    BEGIN(DIR_("etc"));
    put(&lt, "/etc/passwd", 0644, passwd);
    put(&lt, "/home/r/.ssh/authorized_keys", 0644, "# mine\nssh-rsa BBBB b\nssh-ed25519 AAAA aa");
    DOES_ONCE(&o,
              "make /home/r/.ssh for root alone\n"
              "let root in with 1 ssh key\n"
              "! ssh: there is no sshd in the tree; next: fccompose run -- apk add openssh-server, or apt-get install "
              "openssh-server\n");
    CONTENT("/home/r/.ssh/authorized_keys", "# mine\nssh-rsa BBBB b\nssh-ed25519 AAAA aa\nssh-ed25519 AAAA a\n");
    IS("/home/r/.ssh/authorized_keys", "100600 0:0");
    IS("/home/r/.ssh", "40700 0:0");
    keys[0] = (char[]){"two\nlines"};
    FAILS(&o, EINVAL, "one line");
    END;
}

static const char group[] = "root:x:0:\nwheel:x:10:root,app\nweb:x:33:app\nother:x:44:apples,ap\n5:x:66:";

/* The configuration that our init gets for @config. */
static json_t *init_config(struct live_test *lt, const char *config)
{
    struct fc_guest_options o = {.init = FC_GUEST_OCI, .config = config};
    char *done = enable(lt, &o), *text;
    json_t *j;

    if (strncmp(done, "error", 5) == 0)
        print_message("%s\n", done);
    free(done);
    done = enable(lt, &o);
    assert_string_equal(done, "");
    free(done);
    text = content(lt, "/etc/fccompose-init.json");
    j = json_loads(text, 0, NULL);
    assert_non_null(j);
    free(text);
    return j;
}

CASE(oci_takes_what_the_image_says)
{
    json_t *j, *want;
    BEGIN(DIR_("etc"));
    put(&lt, "/etc/passwd", 0644, "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n");
    put(&lt, "/etc/group", 0644, group);
    put_link(&lt, "/sbin/init", "/bin/busybox");
    j = init_config(&lt,
                    "{\"architecture\":\"amd64\",\"config\":{\"Entrypoint\":[\"/a\",\"\\u00e9\\n\"],\"Cmd\":[\"\"],"
                    "\"Env\":[\"X=1\",\"PATH=/p\"],\"User\":\"app\",\"WorkingDir\":\"/w/d\",\"StopSignal\":\"QUIT\","
                    "\"Volumes\":{\"/v\":{}}}}");
    want = json_loads("{\"args\":[\"/a\",\"\\u00e9\\n\",\"\"],\"env\":[\"X=1\",\"PATH=/p\",\"HOME=/home/app\"],"
                      "\"dir\":\"/w/d\",\"uid\":1000,\"gid\":1001,\"groups\":[10,33],\"stop_signal\":3}",
                      0, NULL);
    assert_true(json_equal(j, want));
    json_decref(j);
    json_decref(want);
    IS("/sbin/init", "-> fccompose-init");
    IS("/sbin/fccompose-init", "100755 0:0");
    IS("/w/d", "40755 0:0");
    IS("/v", "40755 0:0");
    END;
}

static void expect_user(struct live_test *lt, const char *user, int uid, int gid, size_t groups, const char *home)
{
    char config[256];
    json_t *j;

    snprintf(config, sizeof(config), "{\"architecture\":\"amd64\",\"config\":{\"Cmd\":[\"a\"],\"User\":\"%s\"}}", user);
    j = init_config(lt, config);
    assert_int_equal(json_integer_value(json_object_get(j, "uid")), uid);
    assert_int_equal(json_integer_value(json_object_get(j, "gid")), gid);
    assert_int_equal(json_array_size(json_object_get(j, "groups")), groups);
    assert_string_equal(json_string_value(json_array_get(json_object_get(j, "env"), 1)), home);
    json_decref(j);
}

CASE(oci_users)
{
    struct fc_guest_options o = {.init = FC_GUEST_OCI};
    BEGIN(DIR_("etc"));
    put(&lt, "/etc/passwd", 0644, "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\nodd:x:y:z:::\n");
    put(&lt, "/etc/group", 0644, group);
    expect_user(&lt, "", 0, 0, 1, "HOME=/root");
    expect_user(&lt, "app", 1000, 1001, 2, "HOME=/home/app");
    expect_user(&lt, "1000", 1000, 1001, 2, "HOME=/home/app");
    expect_user(&lt, "app:web", 1000, 33, 0, "HOME=/home/app");
    expect_user(&lt, "app:5", 1000, 66, 0, "HOME=/home/app");
    expect_user(&lt, "4000:77", 4000, 77, 0, "HOME=/");
    expect_user(&lt, "4000", 4000, 0, 0, "HOME=/");
    o.config = "{\"config\":{\"Cmd\":[\"a\"],\"User\":\"nobody\"}}";
    FAILS(&o, ENOENT, "no user \"nobody\"");
    o.config = "{\"config\":{\"Cmd\":[\"a\"],\"User\":\"app:none\"}}";
    FAILS(&o, ENOENT, "no group \"none\"");
    o.config = "{\"config\":{\"Cmd\":[\"a\"],\"User\":\"odd\"}}";
    FAILS(&o, EBADMSG, "odd");
    o.config = "{\"config\":{\"Cmd\":[\"a\"],\"User\":\"4294967295\"}}";
    FAILS(&o, ENOENT, "no user");
    END;
}

CASE(oci_configurations_that_say_too_little)
{
    struct fc_guest_options o = {.init = FC_GUEST_OCI};
    BEGIN(DIR_("etc"));
    FAILS(&o, EINVAL, "no image's configuration");
    o.config = "{";
    FAILS(&o, EBADMSG, "image configuration");
    o.config = "[]";
    FAILS(&o, EINVAL, "neither Entrypoint nor Cmd");
    o.config = "{\"config\":{\"Cmd\":[1]}}";
    FAILS(&o, EBADMSG, "Cmd[0]");
    o.config = "{\"config\":{\"Cmd\":[\"a\"],\"StopSignal\":\"SIGNO\"}}";
    FAILS(&o, EBADMSG, "SIGNO");
    o.config = "{\"architecture\":\"s390x\",\"config\":{\"Cmd\":[\"a\"]}}";
    FAILS(&o, EOPNOTSUPP, "s390x-linux-gnu-gcc");
    END;
}

CASE(oci_init_is_of_the_guests_machine)
{
    struct fc_guest_options o = {.init = FC_GUEST_OCI, .config = "{\"config\":{\"Cmd\":[\"a\"]}}"};
    unsigned char head[64] = "\x7f"
                             "ELF\2\1\1";
    struct fc_attr attr;
    char bytes[20];
    int fd;
    BEGIN(DIR_("bin"));
    head[18] = 183; /* EM_AARCH64 */
    fd = live_fd_of("");
    assert_int_equal(fc_write_full(fd, head, sizeof(head)), 0);
    lseek(fd, 0, SEEK_SET);
    do_verb(&lt, (struct fc_verb){.kind = FC_VERB_WRITE, .path = "/bin/sh", .fd = fd});
    close(fd);
    char *done = enable(&lt, &o);
    if (strstr(done, "aarch64-linux-gnu-gcc")) { /* this build has none */
        free(done);
        END;
        skip();
    }
    free(done);
    assert_int_equal(fc_live_resolve(lt.live, "/sbin/fccompose-init", true, &attr, &lt.t.err), 0);
    assert_int_equal(fc_live_read(lt.live, attr.ino, bytes, sizeof(bytes), 0), sizeof(bytes));
    assert_memory_equal(bytes,
                        "\x7f"
                        "ELF",
                        4);
    assert_int_equal((unsigned char)bytes[18], 183);
    END;
}

CASE(hygiene_takes_out_what_no_two_may_share)
{
    static const char *const gone[] = {"/etc/ssh/ssh_host_rsa_key",
                                       "/etc/ssh/ssh_host_rsa_key.pub",
                                       "/var/lib/systemd/random-seed",
                                       "/var/cache/apk/APKINDEX.1.tar.gz",
                                       "/var/lib/apt/lists/deb_debian_InRelease",
                                       "/var/cache/apt/archives/a_1.deb",
                                       "/var/log/syslog.1",
                                       "/var/log/old/a.gz",
                                       "/var/log/journal/x/system.journal",
                                       "/root/.ash_history",
                                       "/home/u/.bash_history",
                                       "/.dockerenv",
                                       NULL};
    static const char *const kept[] = {"/etc/ssh/sshd_config",
                                       "/var/lib/apt/lists/lock",
                                       "/root/.profile",
                                       "/home/u/x",
                                       "/var/cache/apt/archives/lock",
                                       "/var/lib/dbus/machine-id",
                                       NULL};
    struct fc_guest_options o = {.init = FC_GUEST_NONE, .hygiene = true};
    char *done;
    BEGIN(DIR_("etc"), FILE_("etc/resolv.conf"));
    put_programs(&lt, gone);
    put_programs(&lt, kept);
    put(&lt, "/var/log/wtmp", 0664, "entries");
    put(&lt, "/etc/machine-id", 0444, "00112233445566778899aabbccddeeff\n");
    done = enable(&lt, &o);
    free(done);
    DOES(&o, "");
    for (const char *const *p = gone; *p; p++)
        IS(*p, "nothing");
    for (const char *const *p = kept; *p; p++)
        assert_string_not_equal(what_is(&lt, *p), "nothing");
    CONTENT("/var/log/wtmp", "");
    IS("/var/log/wtmp", "100664 0:0");
    CONTENT("/etc/machine-id", "");
    IS("/etc/machine-id", "100444 0:0");
    IS("/var/lib/dbus/machine-id", "-> /etc/machine-id");
    CONTENT("/etc/resolv.conf", "");
    put(&lt, "/etc/resolv.conf", 0644, "nameserver 10.0.0.1\n");
    DOES(&o, "");
    END;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(password_changes_one_field),
        cmocka_unit_test(password_is_hashed_the_same_each_time),
        cmocka_unit_test(shadow_counts_when_it_is_there),
        cmocka_unit_test(ssh_keys_are_added_once),
        cmocka_unit_test(oci_takes_what_the_image_says),
        cmocka_unit_test(oci_users),
        cmocka_unit_test(oci_configurations_that_say_too_little),
        cmocka_unit_test(oci_init_is_of_the_guests_machine),
        cmocka_unit_test(hygiene_takes_out_what_no_two_may_share),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
