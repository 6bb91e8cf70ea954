/* SPDX-License-Identifier: Apache-2.0 */
/* Every rule of check/ by a guest that has just that defect, and guests without any. */
#include "check_world.h"

/* The tables of edits leave out what an edit does not have. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

/* A clean guest, and what is wrong with it. All zero but @want is a clean one. */
struct defect {
    const char *want; /* codes, by a space */
    const struct op *ops;
    bool systemd, read_only, pmem, pci, without_kernel, no_config, no_pvh, bzimage, zboot, arm, old, large_pages;
    const char *cmdline, *config;
    uint32_t incompat, ro_compat; /* of the image; size 0: there is none */
    long size;
};

#define OPS(...)                                                                                                       \
    .ops = (const struct op[])                                                                                         \
    {                                                                                                                  \
        __VA_ARGS__, { 0 }                                                                                             \
    }
#define INIT_IS(...) OPS({'r', "/sbin/init"}, __VA_ARGS__)
#define OFF(option) .config = "# CONFIG_" option " is not set\n"
#define INITTAB(line)                                                                                                  \
    {                                                                                                                  \
        'f', "/etc/inittab", "::sysinit:/etc/init.d/rcS\n" line "\n", 0                                                \
    }

static const struct defect defects[] = {
    {"init-missing", OPS({'r', "/sbin/init"}, {'r', "/bin/sh"})},
    {"init-missing", INIT_IS({'l', "/sbin/init", "/nothing"}, {'r', "/bin/sh"})},
    {"init-missing", INIT_IS({'l', "/sbin/init", "init"}, {'r', "/bin/sh"})},
    {"init-missing", .cmdline = "console=ttyS0 init=/bin/nothing"},
    {"init-shell", INIT_IS({'r', "/etc/inittab"})},
    {"init-directory", INIT_IS({'d', "/sbin/init"})},
    {"not-executable", OPS({'m', "/bin/busybox", "644"})},
    {"program-format", INIT_IS({'x', "/sbin/init", "echo\n"})},
    {"program-format", INIT_IS({'x', "/sbin/init", "#! \n"})},
    {"program-arch", OPS({'e', "/bin/busybox", "183 - - -"})},
    {"program-missing", OPS(INITTAB("ttyS0::respawn:/sbin/getty ttyS0\n::once:/bin/nothing"))},
    {"script-interpreter", INIT_IS({'x', "/sbin/init", "#!/usr/bin/perl -w\n"})},
    {"script-interpreter", INIT_IS({'x', "/sbin/init", "#!/sbin/init\n"})},
    {"elf-interpreter", OPS({'e', "/bin/busybox", "62 /lib64/ld-linux-x86-64.so.2 - -"})},
    {"elf-damaged", OPS({'h', "/bin/busybox", "62 - - -"})},
    {"library-missing", OPS({'e', "/bin/busybox", "62 " MUSL " libnone.so.1 -"})},
    {"library-missing",
     OPS({'e', "/lib/libz.so", "62 - libnone.so.1 -"}, {'e', "/bin/busybox", "62 " MUSL " libz.so -"})},
    {"library-missing", OPS({'e', "/lib/libz.so", "183 - - -"}, {'e', "/bin/busybox", "62 " MUSL " libz.so -"})},
    {"library-missing", OPS({'l', "/lib/libz.so", "libz.so"}, {'e', "/bin/busybox", "62 " MUSL " libz.so -"})},
    {"console-getty", OPS({'f', "/etc/inittab", "::sysinit:/etc/init.d/rcS\n"})},
    {"console-getty", .systemd = true, OPS({'r', "/etc/systemd/system/getty.target.wants"})},
    {"console-other", OPS(INITTAB("ttyS1::respawn:/sbin/getty -L 115200 ttyS1 vt100"))},
    {"console-securetty", OPS({'f', "/etc/securetty", "tty1\nttyS01\n"})},
    {"mount-point-missing", OPS({'r', "/proc"})},
    {"dir-missing", OPS({'r', "/tmp"}, {'f', "/tmp", "x"})},
    {"dev-console-missing kernel-devtmpfs", OFF("DEVTMPFS_MOUNT")},
    {"udev-missing", .systemd = true, OPS({'r', "/usr/bin/udevadm"})},
    {"fstab-device", .systemd = true, OPS({'f', "/etc/fstab", "UUID=12-34\t/boot/efi vfat defaults 0 1\n"})},
    {"fstab-device", OPS({'f', "/etc/fstab", "/dev/sda1 /boot ext4\n"})},
    {"fstab-root", OPS({'f', "/etc/fstab", "# x\nLABEL=cloudimg / ext4 defaults 0 1\n"})},
    {"fstab-swap", OPS({'f', "/etc/fstab", "/dev/sda2 none swap sw 0 0\n"})},
    {"machine-id-fixed", OPS({'f', "/etc/machine-id", "0123456789abcdef0123456789abcdef\n"})},
    {"machine-id-missing read-only-writes", .systemd = true, .read_only = true},
    {"read-only-writes", .read_only = true},
    {"root-locked", OPS({'f', "/etc/shadow", "root:*:1::::::\n"})},
    {"host-keys", OPS({'f', "/etc/ssh/ssh_host_rsa_key", "x"})},
    {"image-sectors", .size = (2 << 20) + 100},
    {"image-pmem", .size = 3 << 20, .pmem = true},
    {"read-only-writes image-journal", .size = 2 << 20, .incompat = 4, .read_only = true},
    {"ext4-feature", .size = 2 << 20, .incompat = 0x2000, .old = true},
    {"ext4-config", .size = 2 << 20, .incompat = 0x20000, OFF("UNICODE")},
    {"ext4-driver", OFF("EXT4_FS")},
    {"ext4-xattr", OFF("EXT4_FS_SECURITY"), OPS({'a', "/bin/busybox"})},
    {"kernel-format", .zboot = true},
    {"kernel-bzimage", .bzimage = true},
    {"kernel-arch", .arm = true},
    {"kernel-pages", .large_pages = true},
    {"kernel-pvh", .no_pvh = true},
    {"kernel-config", .no_config = true},
    {"kernel-block", OFF("VIRTIO_BLK")},
    {"kernel-block", OFF("VIRTIO_PMEM"), .pmem = true},
    {"kernel-transport", OFF("VIRTIO_MMIO")},
    {"kernel-transport", OFF("VIRTIO_PCI"), .pci = true},
    {"kernel-acpi", .config = "CONFIG_ACPI=n\nCONFIG_X86_MPPARSE=n\n"},
    {"kernel-console", OFF("SERIAL_8250_CONSOLE")},
    {"kernel-devtmpfs", OFF("DEVTMPFS"), OPS({'c', "/dev/console"})},
    {"kernel-scripts", OFF("BINFMT_SCRIPT")},
    {"kernel-overlay", OFF("OVERLAY_FS"), .cmdline = "console=ttyS0 overlay_root=vdb"},
    {"kernel-option", OFF("KVM_GUEST")},
    {"kernel-guest", OFF("UNIX")},
    {"cmdline-length", .cmdline = "LONG"},
    {"cmdline-root", .cmdline = "console=ttyS0 root=/dev/sda1"},
    {"cmdline-console", .cmdline = "reboot=k"},
    {"cmdline-noapic", .cmdline = "console=ttyS0 noapic"},
    {"cmdline-acpi-off", .cmdline = "console=ttyS0 acpi=off", OFF("X86_MPPARSE")},
    {"cmdline-pci-off", .cmdline = "console=ttyS0 pci=off", .pci = true},
    {"cmdline-nomodule", .cmdline = "console=ttyS0 nomodule", OPS({'d', "/lib/modules/6.1.9"})},
};

/* Guests in which nothing is wrong, though it may look like it. */
static const struct defect clean[] = {
    {""},
    {"", .systemd = true},
    {"", .without_kernel = true},
    {"", .size = 2 << 20, .incompat = 0x2c2, .ro_compat = 0x46b},
    {"", INIT_IS({'l', "/sbin/init", "../../../bin/./busybox"})},
    {"", .cmdline = "console=ttyS0 -- noapic root=/dev/sda", .pci = true},
    {"", .cmdline = "console=tty1 console=ttyS0,115200n8 pci=off"},
    {"", OPS({'f', "/etc/shadow", "root:!:1::::::\n"}, {'f', "/root/.ssh/authorized_keys", "ssh-ed25519 A\n"})},
    {"", OPS({'f', "/etc/shadow", "root:!:1::::::\n"}, INITTAB("::respawn:-/bin/sh"))},
    {"", OPS({'f', "/etc/fstab",
              "/dev/vdb /data ext4\nLABEL=x /x ext4 ro,nofail\nproc /proc proc\n/dev/sr0 /m udf noauto\n"})},
    {"", OPS({'e', "/opt/lib/libz.so", "62 - - -"}, {'e', "/opt/bin/x", "62 " MUSL " libz.so $ORIGIN/../lib"},
             {'l', "/bin/busybox2", "/opt/bin/x"}, {'l', "/sbin/init", "/bin/busybox2"},
             {'x', "/etc/init.d/rcS", "#!/bin/sh"})},
    {"", OPS({'f', "/etc/ld-musl-x86_64.path", "/lib:/opt/a\n/opt/b"}, {'e', "/opt/b/libz.so", "62 - - -"},
             {'e', "/bin/busybox", "62 " MUSL " libz.so -"})},
    {"",
     OPS({'e', "/lib64/ld-linux-x86-64.so.2", "62 - - -"}, {'f', "/etc/ld.so.conf", "include ld.so.conf.d/*.conf\n"},
         {'f', "/etc/ld.so.conf.d/a.conf", "# x\n/opt/c\n"}, {'e', "/opt/c/libz.so.1", "62 - - -"},
         {'e', "/bin/busybox", "62 /lib64/ld-linux-x86-64.so.2 libz.so.1 -"})},
};

static struct fc_kernel *kernel_of(const struct defect *d)
{
    struct fc_kernel *k = make_kernel(d->config);

    k->format = d->bzimage ? FC_KERNEL_BZIMAGE : d->zboot ? FC_KERNEL_ZBOOT : FC_KERNEL_ELF;
    k->boots_64 = true;
    k->pvh = !d->no_pvh;
    k->page_kib = d->large_pages ? 64 : 0;
    if (d->arm)
        k->arch = "riscv64";
    if (d->old)
        k->major = 4, k->minor = 1;
    if (d->no_config) {
        fc_kconfig_free(k->config);
        k->config = NULL;
    }
    return k;
}

/* A superblock and nothing else: what the rules look at. */
static const char *image_of(struct live_test *lt, const struct defect *d)
{
    static char path[128];
    uint32_t words[3] = {0, d->incompat, d->ro_compat};
    int fd;

    if (!d->size)
        return NULL;
    snprintf(path, sizeof(path), "%s/image", lt->t.dir);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(ftruncate(fd, d->size), 0);
    assert_int_equal(fc_pwrite_full(fd, "\x53\xef", 2, 1024 + 56), 0);
    assert_int_equal(fc_pwrite_full(fd, words, sizeof(words), 1024 + 92), 0);
    close(fd);
    return path;
}

/* Returns whether it was as wanted. */
static bool judge(struct live_test *lt, const struct defect *d)
{
    struct fc_kernel *k = d->without_kernel ? NULL : kernel_of(d);
    struct fc_snapshot *s = NULL;
    struct fc_preflight *c = NULL;
    char words[3000];
    bool right;

    memset(words, 'x', sizeof(words) - 1);
    words[sizeof(words) - 1] = '\0';
    memcpy(words, "console=ttyS0 ", 14);
    assert_int_equal(fc_live_snapshot(lt->live, &s, &lt->t.err), 0);
    struct fc_preflight_input in = {.snapshot = s,
                                    .kernel = k,
                                    .image = image_of(lt, d),
                                    .cmdline = !d->cmdline                       ? "console=ttyS0 reboot=k panic=1"
                                               : strcmp(d->cmdline, "LONG") == 0 ? words
                                                                                 : d->cmdline,
                                    .arch = "x86_64",
                                    .read_only = d->read_only,
                                    .pmem = d->pmem,
                                    .pci = d->pci};
    int r = fc_preflight_run(&in, &c, &lt->t.err);

    if (r < 0)
        print_message("%s\n", lt->t.err.msg);
    assert_int_equal(r, 0);
    if (strcmp(codes_of(c), d->want) != 0) {
        const struct fc_preflight_finding *f;

        for (size_t i = 0; (f = fc_preflight_finding(c, i)); i++)
            print_message("  %s: %s: %s\n", fc_preflight_rules[f->rule].code, f->path ? f->path : "", f->what);
        print_message("^ wanted '%s', found '%s'\n", d->want, codes_of(c));
    }
    right = strcmp(codes_of(c), d->want) == 0;
    fc_preflight_free(c);
    fc_snapshot_free(s);
    fc_kernel_free(k);
    return right;
}

static void begin(struct live_test *lt, bool systemd)
{
    *lt = (struct live_test){0};
    tree_begin(&lt->t);
    LAYER(&lt->t, DIR_("dev"), DIR_("proc"), DIR_("sys"), DIR_("run"), DIR_("tmp"), DIR_("var"));
    live_begin(lt);
    do_ops(lt, busybox_tree);
    if (systemd)
        do_ops(lt, systemd_tree);
}

static void each(const struct defect *d, size_t n)
{
    bool right = true;

    for (size_t i = 0; i < n; i++) {
        struct live_test lt;

        begin(&lt, d[i].systemd);
        if (d[i].ops)
            do_ops(&lt, d[i].ops);
        right = judge(&lt, &d[i]) && right;
        live_end(&lt);
    }
    assert_true(right);
}

static void every_defect_has_its_code(void **state)
{
    (void)state;
    each(defects, sizeof(defects) / sizeof(defects[0]));
}

static void what_is_right_has_none(void **state)
{
    (void)state;
    each(clean, sizeof(clean) / sizeof(clean[0]));
}

static void every_rule_is_complete_and_has_a_defect(void **state)
{
    (void)state;
    for (size_t i = 0; i < FC_PREFLIGHT_N_RULES; i++) {
        const struct fc_preflight_rule *r = &fc_preflight_rules[i];
        bool found = false;

        assert_non_null(r->code);
        assert_true(r->about && r->fix);
        for (size_t k = 0; k < sizeof(defects) / sizeof(defects[0]); k++)
            found = found || strstr(defects[k].want, r->code);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(fc_preflight_rules[k].code, r->code);
        if (!found)
            fail_msg("no defect for %s", r->code);
    }
}

/* One byte after another: whatever it is, it is read within its bounds (which the sanitizers see) and the run ends. */
static void damaged_programs_are_findings(void **state)
{
    static const unsigned char with[] = {0xff, 0x00, 0x7f};
    _Alignas(16) unsigned char elf[1024];
    struct live_test lt;
    unsigned found = 0;

    (void)state;
    begin(&lt, false);
    for (size_t at = 4; at < 860; at += at < 240 ? 3 : at < 384 || (at > 410 && at < 512) ? 40 : 7) {
        struct fc_snapshot *s = NULL;
        struct fc_preflight *c = NULL;

        make_elf(elf, "62 " MUSL " libc.musl-x86_64.so.1 $ORIGIN/../lib");
        elf[at] = with[at % 3];
        put_bytes(&lt, "/bin/busybox", 0755, elf, sizeof(elf));
        assert_int_equal(fc_live_snapshot(lt.live, &s, &lt.t.err), 0);
        assert_int_equal(fc_preflight_run(&(struct fc_preflight_input){.snapshot = s, .arch = "x86_64"}, &c, &lt.t.err),
                         0);
        found += fc_preflight_finding(c, 0) != NULL;
        fc_preflight_free(c);
        fc_snapshot_free(s);
    }
    assert_true(found > 10);
    live_end(&lt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_is_complete_and_has_a_defect),
        cmocka_unit_test(what_is_right_has_none),
        cmocka_unit_test(every_defect_has_its_code),
        cmocka_unit_test(damaged_programs_are_findings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
