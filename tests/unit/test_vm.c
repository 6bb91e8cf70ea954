/* SPDX-License-Identifier: Apache-2.0 */
/* MicroVMs: networks as the command line gives them, boot arguments, Firecracker's configuration, the console's text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vm/vm.h"
#include "vm/watch.h"

static void test_networks(void **state)
{
    static const char *const bad[] = {
        "",
        "a/b",
        "sixteen-letters-",
        "..",
        "tap0,172.16.0.2",
        "tap0,172.16.0.2/0",
        "tap0,172.16.0.2/33",
        "tap0,172.16.0/30",
        "tap0,172.16.0.2/",
        "tap0,172.16.0.2/+4",
        "tap0,172.16.0.2/30,172.16.0.5",
        "tap0,172.16.0.2/30,172.16.0.2",
        "tap0,172.16.0.2/30,x",
        "tap0,172.16.0.2/30,172.16.0.1,172.16.0.1",
        "tap0,02:00:00:00:00:0g",
        "tap0,fd00::2/64",
        "tap0,02:00:00:00:00:01,02:00:00:00:00:02",
    };
    struct fc_vm_net n;

    (void)state;
    assert_int_equal(fc_vm_net_parse("tap0,172.16.0.2/30,172.16.0.1", &n, NULL), 0);
    assert_string_equal(n.tap, "tap0");
    assert_string_equal(n.ip, "172.16.0.2");
    assert_int_equal(n.prefix, 30);
    assert_string_equal(n.gateway, "172.16.0.1");
    assert_string_equal(n.mac, "06:00:AC:10:00:02");
    assert_int_equal(fc_vm_net_parse("fifteen-letters,02:00:00:00:00:0f", &n, NULL), 0);
    assert_string_equal(n.ip, "");
    assert_string_equal(n.mac, "02:00:00:00:00:0f");
    assert_int_equal(fc_vm_net_parse("t,10.0.0.2/8,02:00:00:00:00:01,10.9.9.9", &n, NULL), 0);
    assert_string_equal(n.mac, "02:00:00:00:00:01");
    assert_string_equal(n.gateway, "10.9.9.9");
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct fc_error err = {0};

        if (fc_vm_net_parse(bad[i], &n, &err) != -EINVAL || !err.msg[0])
            fail_msg("%s was taken", bad[i]);
    }
}

static void test_vsocks(void **state)
{
    static const char *const bad[] = {"", "3", "3,", "2,x", "-3,x", "4294967295,x", "x,3"};
    struct fc_vm vm = {0};

    (void)state;
    assert_int_equal(fc_vm_vsock_parse("3,/run/v,1.sock", &vm, NULL), 0);
    assert_int_equal(vm.vsock_cid, 3);
    assert_string_equal(vm.vsock_path, "/run/v,1.sock");
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(fc_vm_vsock_parse(bad[i], &vm, NULL), -EINVAL);
}

static void expect_args(const struct fc_vm *vm, const char *want)
{
    char *got = NULL;

    assert_int_equal(fc_vm_boot_args(vm, &got, NULL), 0);
    assert_string_equal(got, want);
    free(got);
}

static void test_boot_args(void **state)
{
    struct fc_vm vm = {.image = "i", .kernel = "k"};

    (void)state;
    expect_args(&vm, "console=ttyS0 reboot=k panic=1");
    vm.arch = "aarch64";
    expect_args(&vm, "keep_bootcon console=ttyS0 reboot=k panic=1");
    vm.args = "quiet";
    vm.more_args = "a=b";
    vm.overlay = "o";
    expect_args(&vm, "quiet overlay_root=vdb init=/sbin/overlay-init a=b");
    vm.pmem = true;
    vm.init = "/bin/sh";
    vm.more_args = "";
    assert_int_equal(fc_vm_net_parse("tap0,10.1.2.3/9", &vm.nets[vm.n_nets++], NULL), 0);
    expect_args(&vm, "quiet ip=10.1.2.3:::255.128.0.0::eth0:off overlay_root=vda init=/bin/sh");
}

/* What Firecracker adds must fit too. */
static void test_boot_args_that_are_too_long(void **state)
{
    struct fc_vm vm = {.image = "i", .kernel = "k"};
    struct fc_error err = {0};
    char text[FC_VM_CMDLINE_MAX + 1], *got = NULL;

    (void)state;
    memset(text, 'a', sizeof(text));
    text[FC_VM_CMDLINE_MAX - 1] = '\0';
    vm.args = text;
    assert_int_equal(fc_vm_boot_args(&vm, &got, &err), -E2BIG);
    text[FC_VM_CMDLINE_MAX - 100] = '\0';
    assert_int_equal(fc_vm_boot_args(&vm, &got, &err), 0);
    free(got);
}

static void test_configurations_that_cannot_be(void **state)
{
    const struct fc_vm bad[] = {{.image = "i"},
                                {.kernel = "k"},
                                {.kernel = "k", .initrd = "r", .pmem = true},
                                {.kernel = "k", .image = "i", .vcpus = 33},
                                {.kernel = "k", .image = "i", .memory = 1000000},
                                {.kernel = "k", .image = "not \xff UTF-8"},
                                {.kernel = "k", .image = "i", .more_args = "\xff"}};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct fc_error err = {0};
        char *got = NULL;

        if (fc_vm_config(&bad[i], &got, &err) != -EINVAL || !err.msg[0])
            fail_msg("configuration %zu was made: %s", i, got);
    }
}

static void feed(struct fc_vm_watch *w, const char *text)
{
    /* Byte by byte, as a slow console does. */
    for (; *text; text++)
        assert_int_equal(fc_vm_watch_feed(w, text, 1), 0);
}

static void test_console(void **state)
{
    struct fc_vm_watch w;

    (void)state;
    assert_int_equal(fc_vm_watch_init(&w, "^alpine login: $", NULL), 0);
    feed(&w, "the alpine login: \r\nalpine \033[6n\033[1;32mlog");
    assert_false(w.expected);
    feed(&w, "in\033[0m: ");
    assert_true(w.expected);
    assert_string_equal(w.words, "alpine login: ");
    fc_vm_watch_release(&w);

    assert_int_equal(fc_vm_watch_init(&w, NULL, NULL), 0);
    feed(&w, "[  1.0] Kernel panic - not syncing: VFS: no root\r\nfccompose-init: exit status 42\r\n");
    assert_true(w.panicked);
    assert_string_equal(w.words, "Kernel panic - not syncing: VFS: no root");
    assert_int_equal(w.guest_status, 42);
    fc_vm_watch_release(&w);
}

/* A line without an end is bounded, and a title or an escape without an end swallows no later line. */
static void test_console_of_a_hostile_guest(void **state)
{
    struct fc_vm_watch w;

    (void)state;
    assert_int_equal(fc_vm_watch_init(&w, "needle", NULL), 0);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(fc_vm_watch_feed(&w, "xxxxxxxxxx", 10), 0);
    assert_true(w.text.cap < 100000);
    feed(&w, "\n\033]title without an end\n\033[12;\nneedle\n");
    assert_true(w.expected);
    fc_vm_watch_release(&w);
}

static void test_expressions_that_are_none(void **state)
{
    struct fc_vm_watch w;
    struct fc_error err = {0};

    (void)state;
    assert_int_equal(fc_vm_watch_init(&w, "a(b", &err), -EINVAL);
    assert_non_null(strstr(err.msg, "a(b"));
    fc_vm_watch_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_vsocks),
        cmocka_unit_test(test_boot_args),
        cmocka_unit_test(test_boot_args_that_are_too_long),
        cmocka_unit_test(test_configurations_that_cannot_be),
        cmocka_unit_test(test_console),
        cmocka_unit_test(test_console_of_a_hostile_guest),
        cmocka_unit_test(test_expressions_that_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
