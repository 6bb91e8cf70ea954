/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel configurations, what Kconfig says about a symbol, hostile kernels. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/child.h"
#include "base/io.h"
#include "kernel/fragment.h"
#include "kernel/kernel.h"
#include "kernel/preset.h"
#include "kernel/why.h"

static char dir[] = "/tmp/fc-kernel-XXXXXX";

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return fc_remove_all(AT_FDCWD, dir);
}

static void put(const char *name, const void *data, size_t size)
{
    char path[200];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(fc_atomic_write(path, data, size, false, NULL), 0);
}

static void add(struct fc_kconfig *c, const char *text)
{
    struct fc_error err = {0};

    if (fc_kconfig_add(c, text, strlen(text), "a", NULL, &err) < 0)
        fail_msg("%s", err.msg);
}

static void options_are_read_and_written(void **state)
{
    struct fc_kconfig *c = fc_kconfig_new();
    struct fc_buf text = {0};

    (void)state;
    add(c, "#\n# CONFIG_A=y\n\n CONFIG_B=m \r\n# CONFIG_C is not set\nCONFIG_T=\"x # CONFIG_C=y\"\nCONFIG_N=0x10");
    assert_null(fc_kconfig_find(c, "A"));
    assert_string_equal(fc_kconfig_value(c, "CONFIG_B"), "m");
    assert_true(fc_kconfig_is_on(c, "B"));
    assert_false(fc_kconfig_is_y(c, "B"));
    assert_string_equal(fc_kconfig_value(c, "C"), "n");
    assert_non_null(fc_kconfig_find(c, "C"));
    assert_string_equal(fc_kconfig_value(c, "T"), "\"x # CONFIG_C=y\"");
    add(c, "CONFIG_B=y\n");
    assert_int_equal(fc_kconfig_count(c), 4);
    assert_int_equal(fc_kconfig_write(c, &text), 0);
    assert_string_equal(text.data, "CONFIG_B=y\n# CONFIG_C is not set\nCONFIG_N=0x10\nCONFIG_T=\"x # CONFIG_C=y\"\n");
    fc_buf_release(&text);
    fc_kconfig_free(c);
}

static void lines_that_are_none_are_named(void **state)
{
    static const char *const bad[] = {"CONFIG_=y", "CONFIG_A", "CONFIG_A=", "NAME=y", "CONFIG_A B=y", "\x01\x02"};

    (void)state;
    for (size_t i = 0; i < FC_LENGTH(bad); i++) {
        struct fc_kconfig *c = fc_kconfig_new();
        struct fc_error err = {0};
        char text[64];

        snprintf(text, sizeof(text), "CONFIG_X=y\n%s\n", bad[i]);
        assert_int_equal(fc_kconfig_add(c, text, strlen(text), "f", NULL, &err), -EBADMSG);
        assert_ptr_equal(strstr(err.msg, "f:2:"), err.msg);
        fc_kconfig_free(c);
    }
}

static const char kconfig[] =
    "menuconfig NET\n\tbool \"net\"\n\thelp\n\t  config FAKE\n\n\t  depends on NOTHING\n"
    "if NET\nmenu \"m\"\n\tdepends on MMU\n\tdepends on !UML\nconfig TUN\n\ttristate \"tun\"\n"
    "\tdepends on INET && \\\n\t\t(A || B!=n)\nendmenu\nendif\n"
    "config OTHER\n\tbool\n\tselect TUN if X\nconfig HIDDEN\n\tbool\n"
    "source \"arch/$(SRCARCH)/Kconfig\"\n";

static void why_of(const char *name, const char *config, const char *wanted, const char *expected)
{
    struct fc_why w = {0};
    struct fc_kconfig *c = fc_kconfig_new();
    struct fc_buf said = {0};

    add(c, config);
    assert_int_equal(fc_why_read(dir, "x86", name, &w, NULL), 0);
    assert_int_equal(fc_why_say(&w, c, wanted, &said), 0);
    assert_string_equal(said.data, expected);
    fc_buf_release(&said);
    fc_kconfig_free(c);
    fc_why_release(&w);
}

static void reasons(void **state)
{
    char path[200];

    (void)state;
    snprintf(path, sizeof(path), "%s/arch/x86", dir);
    assert_int_equal(fc_mkdir_all(path, NULL), 0);
    put("Kconfig", kconfig, sizeof(kconfig) - 1);
    put("arch/x86/Kconfig", "config X86\n\tdef_bool y\n", 24);
    why_of("TUN", "CONFIG_MMU=y\n", "y", "needs NET (n); and INET (n) && (A (n) || B (n)!=n)");
    why_of("TUN", "CONFIG_NET=y\nCONFIG_MMU=y\nCONFIG_INET=m\nCONFIG_A=y\n", "y",
           "needs INET (m) && (A (y) || B (n)!=n)");
    why_of("TUN", "CONFIG_NET=y\nCONFIG_MMU=y\nCONFIG_INET=m\nCONFIG_B=m\nCONFIG_MODULES=y\n", "m",
           "its dependencies are met: a choice, or its range, decided otherwise");
    why_of("TUN", "CONFIG_NET=y\nCONFIG_MMU=y\nCONFIG_UML=y\nCONFIG_INET=y\nCONFIG_A=y\n", "y",
           "needs (MMU (y)) && (!UML (y))");
    why_of("TUN", "", "n", "selected by OTHER if X");
    why_of("FAKE", "", "y", "this source has no such option for this architecture");
    why_of("HIDDEN", "", "y", "it has no prompt: its default counts");
    why_of("X86", "", "n", "it has no prompt: its default counts");
}

static void lines_of_a_child(void *arg, const char *line) { fc_buf_addf(arg, "[%s]", line); }

static void children_line_by_line(void **state)
{
    static const char *const argv[] = {"sh", "-c", "cat; echo $A ${HOME-none}; echo two >&2; printf three; exit 3",
                                       NULL};
    static const char *const env[] = {"A=one", "HOME", NULL};
    struct fc_buf said = {0};
    struct fc_child_options o = {.dir = "/", .env = env, .line = lines_of_a_child, .arg = &said};

    (void)state;
    assert_int_equal(fc_child_lines(argv, &o, NULL), 3);
    assert_string_equal(said.data, "[one none][two][three]");
    assert_int_equal(fc_child_lines((const char *[]){"/no/such", NULL}, &o, NULL), -ENOENT);
    o.dir = "/no/such";
    assert_int_equal(fc_child_lines(argv, &o, NULL), -ENOENT);
    fc_buf_release(&said);
}

/* Every cut, and every flipped byte of the headers, is an answer or an error with words. */
static void damaged_kernels(void **state)
{
    unsigned char data[0x600] = {0};
    char path[200];

    (void)state;
    snprintf(path, sizeof(path), "%s/kernel", dir);
    memcpy(data + 0x1fe, "\x55\xaaxxHdrS\x0f\x02", 10);
    data[0x1f1] = 1;
    data[0x249] = 1;
    data[0x24c] = 0x80;
    memcpy(data + 0x500, "\x1f\x8b\x08", 3);
    for (unsigned form = 0; form < 3; form++) {
        if (form == 1)
            memcpy(data,
                   "\x7f"
                   "ELF\x02\x01\x01",
                   7);
        if (form == 2)
            memcpy(data, "MZ\0\0zimg\0\5\0\0\xff\xff\xff\xff", 16);
        for (unsigned i = 0; i < 0x280; i++) {
            struct fc_kernel *k = NULL;
            struct fc_error err = {0};
            unsigned char saved = data[i];
            size_t size = i % 3 ? sizeof(data) : i;

            data[i] ^= 0xff;
            put("kernel", data, size);
            if (fc_kernel_read(path, NULL, &k, &err) < 0)
                assert_true(err.code > 0 && *err.msg);
            fc_kernel_free(k);
            data[i] = saved;
        }
    }
}

static void presets(void **state)
{
    (void)state;
    assert_string_equal(fc_kernel_preset_near(6, 12)->name, "6.1");
    assert_string_equal(fc_kernel_preset_near(7, 0)->name, "6.18");
    assert_string_equal(fc_kernel_preset_near(4, 20)->name, "5.10");
    assert_non_null(fc_guest_config_find("5.10-no-acpi", "x86_64"));
    assert_null(fc_guest_config_find("5.10-no-acpi", "aarch64"));
}

static void contract_without_acpi(void **state)
{
    struct fc_kconfig *c = fc_kconfig_new();

    (void)state;
    add(c, "CONFIG_X86_MPPARSE=y\nCONFIG_VIRTIO_MMIO_CMDLINE_DEVICES=y\n");
    assert_null(fc_need_for(c, "x86_64", "ACPI"));
    assert_non_null(fc_need_for(c, "x86_64", "X86_MPPARSE"));
    add(c, "CONFIG_ACPI=y\n");
    assert_non_null(fc_need_for(c, "x86_64", "ACPI"));
    assert_null(fc_need_for(c, "x86_64", "X86_MPPARSE"));
    assert_null(fc_need_for(c, "aarch64", "ACPI"));
    fc_kconfig_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_read_and_written),
        cmocka_unit_test(lines_that_are_none_are_named),
        cmocka_unit_test(reasons),
        cmocka_unit_test(children_line_by_line),
        cmocka_unit_test(damaged_kernels),
        cmocka_unit_test(presets),
        cmocka_unit_test(contract_without_acpi),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
