/* SPDX-License-Identifier: Apache-2.0 */
/* Plans that make a tree boot: OpenRC, systemd, BusyBox, which of them, and trees that mean harm. */
#include "guest_help.h"

static void openrc_tree(struct live_test *lt, bool agetty)
{
    static const char *const programs[] = {"/usr/sbin/openrc", "/usr/sbin/getty", "/usr/bin/busybox", NULL};

    put_programs(lt, programs);
    put_link(lt, "/sbin", "usr/sbin");
    put_link(lt, "/usr/sbin/init", "/usr/bin/busybox");
    put(lt, "/etc/init.d/devfs", 0755, "x");
    put(lt, "/etc/init.d/procfs", 0755, "x");
    put(lt, "/etc/init.d/sysfs", 0755, "x");
    put(lt, "/etc/passwd", 0644, "root:x:0:0:root:/root:/bin/sh\n");
    put(lt, "/etc/shadow", 0600, "root::1::::::\n");
    put(lt, "/etc/inittab", 0644, "::sysinit:/sbin/openrc boot\ntty1::respawn:/sbin/getty 38400 tty1\n");
    if (agetty) {
        put(lt, "/usr/sbin/agetty", 0755, "x");
        put(lt, "/etc/init.d/agetty", 0755, "x");
    }
}

CASE(openrc_as_the_guide_does_it)
{
    struct fc_guest_options o = {0};
    BEGIN(DIR_("etc"));
    openrc_tree(&lt, true);
    DOES_ONCE(&o, "make the service agetty.ttyS0\n"
                  "start agetty.ttyS0 in runlevel default\n"
                  "let root log in on the console (/etc/securetty)\n"
                  "start devfs in runlevel boot\n"
                  "start procfs in runlevel boot\n"
                  "start sysfs in runlevel boot\n"
                  "no gettys on virtual terminals, which a microVM does not have (/etc/inittab)\n");
    IS("/etc/init.d/agetty.ttyS0", "-> agetty");
    IS("/etc/runlevels/default/agetty.ttyS0", "-> /etc/init.d/agetty.ttyS0");
    IS("/etc/runlevels/boot/devfs", "-> /etc/init.d/devfs");
    CONTENT("/etc/securetty", "ttyS0\n");
    CONTENT("/etc/inittab", "::sysinit:/sbin/openrc boot\n#tty1::respawn:/sbin/getty 38400 tty1\n");
    END;
}

CASE(openrc_logs_in_by_itself)
{
    struct fc_guest_options o = {.autologin = true};
    char *done;
    BEGIN(DIR_("etc"));
    openrc_tree(&lt, true);
    put(&lt, "/etc/conf.d/agetty.ttyS0", 0644, "baud=\"\"\nagetty_options=\"-x\"\n# end");
    put(&lt, "/etc/securetty", 0600, "console\nttyS01\nttyS0");
    done = enable(&lt, &o);
    assert_non_null(strstr(done, "log root in on ttyS0 without a password\n"));
    assert_null(strstr(done, "securetty"));
    free(done);
    CONTENT("/etc/conf.d/agetty.ttyS0", "baud=\"\"\nagetty_options=\"--autologin root --noclear\"\n# end");
    CONTENT("/etc/securetty", "console\nttyS01\nttyS0");
    END;
}

CASE(openrc_without_agetty)
{
    struct fc_guest_options o = {.console = (char[]){"ttyS1"}};
    BEGIN(DIR_("etc"));
    openrc_tree(&lt, false);
    put(&lt, "/etc/inittab", 0644, "ttyS1::respawn:/old\n#ttyS1::x");
    put(&lt, "/etc/securetty", 0644, "ttyS1\n");
    DOES_ONCE(&o, "start a getty on ttyS1 (/etc/inittab)\n"
                  "start devfs in runlevel boot\n"
                  "start procfs in runlevel boot\n"
                  "start sysfs in runlevel boot\n");
    CONTENT("/etc/inittab", "ttyS1::respawn:/sbin/getty -L 115200 ttyS1 vt100\n#ttyS1::x");
    put(&lt, "/usr/sbin/real-init", 0755, "x");
    put_link(&lt, "/usr/sbin/init", "real-init");
    FAILS(&o, EOPNOTSUPP, "apk add agetty");
    o.console[0] = '/';
    FAILS(&o, EINVAL, "console");
    END;
}

static void systemd_tree(struct live_test *lt, const char *units)
{
    char path[256];

    put(lt, "/usr/lib/systemd/systemd", 0755, "x");
    put(lt, "/usr/sbin/agetty", 0755, "x");
    put(lt, "/usr/bin/udevadm", 0755, "x");
    put_link(lt, "/lib", "usr/lib");
    put_link(lt, "/sbin", "usr/sbin");
    put_link(lt, "/usr/sbin/init", "/lib/systemd/systemd");
    snprintf(path, sizeof(path), "%s/serial-getty@.service", units);
    put(lt, path, 0644, "[Unit]\nWantedBy=wrong.target\n[Install]\nWantedBy=getty.target\n");
    snprintf(path, sizeof(path), "%s/multi-user.target", units);
    put(lt, path, 0644, "[Unit]\n");
    put(lt, "/etc/passwd", 0644, "root::0:0:root:/root:/bin/sh\n");
}

CASE(systemd_as_the_preset_does_it)
{
    struct fc_guest_options o = {.autologin = true};
    BEGIN(DIR_("etc"));
    systemd_tree(&lt, "/usr/lib/systemd/system");
    put(&lt, "/usr/share/systemd/tmp.mount", 0644, "[Install]\nWantedBy=local-fs.target\n");
    put_link(&lt, "/etc/systemd/system/dbus-org.freedesktop.timesync1.service",
             "/usr/lib/systemd/system/systemd-timesyncd.service");
    put_link(&lt, "/etc/systemd/system/sysinit.target.wants/systemd-timesyncd.service",
             "/usr/lib/systemd/system/systemd-timesyncd.service");
    put_link(&lt, "/etc/systemd/system/sysinit.target.wants/other.service", "/usr/lib/systemd/system/other.service");
    put_link(&lt, "/etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf");
    DOES_ONCE(&o, "start unit serial-getty@ttyS0.service (getty.target)\n"
                  "log root in on ttyS0 without a password\n"
                  "boot to multi-user.target\n"
                  "keep the names eth0, eth1, ...\n"
                  "remove the link /etc/resolv.conf\n"
                  "have an empty /etc/resolv.conf, not a link to systemd-resolved's\n"
                  "do not start unit systemd-timesyncd.service "
                  "(/etc/systemd/system/dbus-org.freedesktop.timesync1.service)\n"
                  "do not start unit systemd-timesyncd.service "
                  "(/etc/systemd/system/sysinit.target.wants/systemd-timesyncd.service)\n"
                  "have the unit tmp.mount\n"
                  "keep /tmp in memory\n");
    IS("/etc/systemd/system/getty.target.wants/serial-getty@ttyS0.service",
       "-> /usr/lib/systemd/system/serial-getty@.service");
    IS("/etc/systemd/system/default.target", "-> /usr/lib/systemd/system/multi-user.target");
    IS("/etc/systemd/system/sysinit.target.wants/other.service", "-> /usr/lib/systemd/system/other.service");
    IS("/etc/systemd/system/dbus-org.freedesktop.timesync1.service", "nothing");
    IS("/etc/systemd/network/99-default.link", "-> /dev/null");
    IS("/etc/resolv.conf", "100644 0:0");
    CONTENT("/etc/systemd/system/serial-getty@ttyS0.service.d/autologin.conf",
            "[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin root -o '-p -f -- \\\\u' --keep-baud "
            "115200,38400,9600 %I dumb\n");
    END;
}

CASE(hygiene_leaves_a_systemd_that_makes_host_keys)
{
    struct fc_guest_options o = {.hygiene = true};
    char *done;
    BEGIN(DIR_("etc"));
    systemd_tree(&lt, "/usr/lib/systemd/system");
    PROGRAMS("/usr/sbin/sshd", "/usr/bin/ssh-keygen", "/etc/ssh/ssh_host_rsa_key");
    put(&lt, "/lib/systemd/system/ssh.service", 0644, "[Install]\nWantedBy=multi-user.target\n");
    done = enable(&lt, &o);
    free(done);
    DOES(&o, "");
    IS("/etc/ssh/ssh_host_rsa_key", "nothing");
    IS("/etc/systemd/system/multi-user.target.wants/fccompose-ssh-keys.service",
       "-> /etc/systemd/system/fccompose-ssh-keys.service");
    IS("/etc/systemd/system/multi-user.target.wants/ssh.service", "nothing");
    END;
}

CASE(units_with_other_names)
{
    struct fc_guest_options o = {.ssh_keys = (char *[]){(char[]){"ssh-ed25519 A"}, NULL}};
    char *done;
    BEGIN(DIR_("etc"));
    systemd_tree(&lt, "/usr/lib/systemd/system");
    PROGRAMS("/usr/sbin/sshd", "/usr/bin/ssh-keygen");
    put_link(&lt, "/etc/systemd/system/x.target.wants/y.service", "/lib/systemd/system/y.service");
    put(&lt, "/lib/systemd/system/ssh.service", 0644,
        "[Install]\n# WantedBy=no\nWantedBy = multi-user.target  other.target\nAlias=sshd.service ssh.service\n"
        "RequiredBy=r.target\nAlso=ssh2.service ssh.service missing.service\n");
    put(&lt, "/lib/systemd/system/ssh2.service", 0644, "[Install]\nWantedBy=a.target\nAlso=ssh.service\n");
    done = enable(&lt, &o);
    free(done);
    DOES(&o, "");
    IS("/etc/systemd/system/multi-user.target.wants/ssh.service", "-> /lib/systemd/system/ssh.service");
    IS("/etc/systemd/system/other.target.wants/ssh.service", "-> /lib/systemd/system/ssh.service");
    IS("/etc/systemd/system/r.target.requires/ssh.service", "-> /lib/systemd/system/ssh.service");
    IS("/etc/systemd/system/sshd.service", "-> /lib/systemd/system/ssh.service");
    IS("/etc/systemd/system/ssh.service", "nothing");
    IS("/etc/systemd/system/a.target.wants/ssh2.service", "-> /lib/systemd/system/ssh2.service");
    put_link(&lt, "/etc/systemd/system/ssh.service", "/dev/null");
    DOES(&o, "! unit ssh.service is masked: it is not started\n");
    put_link(&lt, "/etc/systemd/system/ssh.service", "/lib/systemd/system/ssh.service");
    put(&lt, "/lib/systemd/system/ssh.service", 0644, "[Install]\nWantedBy=../../../../tmp/x\n");
    FAILS(&o, EBADMSG, "is no unit");
    END;
}

CASE(busybox_gets_a_table)
{
    struct fc_guest_options o = {.autologin = true};
    BEGIN(DIR_("etc"));
    PROGRAMS("/bin/busybox", "/sbin/getty", "/bin/login");
    put_link(&lt, "/sbin/init", "../bin/busybox");
    DOES_ONCE(&o, "mount what a system needs (/etc/init.d/rcS)\n"
                  "start /etc/init.d/rcS at boot (/etc/inittab)\n"
                  "log root in on ttyS0 without a password\n"
                  "start a getty on ttyS0 (/etc/inittab)\n");
    CONTENT("/etc/inittab", "::sysinit:/etc/init.d/rcS\n::ctrlaltdel:/sbin/reboot\n::shutdown:/bin/umount -a -r\n"
                            "ttyS0::respawn:/sbin/getty -n -l /usr/sbin/fccompose-autologin -L 115200 ttyS0 vt100\n");
    IS("/etc/init.d/rcS", "100755 0:0");
    END;
}

CASE(busybox_keeps_what_is_there)
{
    struct fc_guest_options o = {.console = (char[]){"none"}};
    BEGIN(DIR_("etc"));
    PROGRAMS("/bin/busybox", "/etc/init.d/rcS");
    put_link(&lt, "/sbin/init", "/bin/busybox");
    put(&lt, "/etc/inittab", 0600, "::sysinit:/mine\n::sysinit:/sbin/openrc boot\n::ctrlaltdel:/x\n::shutdown:/y\n");
    DOES_ONCE(&o, "start /etc/init.d/rcS at boot (/etc/inittab)\n");
    CONTENT("/etc/inittab", "::sysinit:/mine\n#::sysinit:/sbin/openrc boot\n::ctrlaltdel:/x\n::shutdown:/y\n");
    CONTENT("/etc/init.d/rcS", "x");
    IS("/etc/inittab", "100600 0:0");
    o.console = NULL;
    FAILS(&o, EOPNOTSUPP, "no getty");
    END;
}

static enum fc_guest_init chosen(struct live_test *lt, const char *config)
{
    struct fc_guest_options o = {.console = (char[]){"none"}, .config = config, .arch = "x86_64"};
    struct fc_snapshot *s = NULL;
    struct fc_guest_plan *p = NULL;
    enum fc_guest_init init = FC_GUEST_AUTO;

    assert_int_equal(fc_live_snapshot(lt->live, &s, &lt->t.err), 0);
    if (fc_guest_plan(s, &o, &p, &lt->t.err) == 0)
        init = fc_guest_plan_init(p);
    fc_guest_plan_free(p);
    fc_snapshot_free(s);
    return init;
}

CASE(chooses_by_what_there_is)
{
    static const char app[] = "{\"config\":{\"Cmd\":[\"/app\"]}}";
    BEGIN(DIR_("etc"));
    assert_int_equal(chosen(&lt, NULL), FC_GUEST_AUTO);
    assert_non_null(strstr(lt.t.err.msg, "no init"));
    assert_int_equal(chosen(&lt, "{\"config\":{\"Entrypoint\":[]}}"), FC_GUEST_AUTO);
    assert_int_equal(chosen(&lt, app), FC_GUEST_OCI);
    PROGRAMS("/bin/busybox");
    assert_int_equal(chosen(&lt, NULL), FC_GUEST_BUSYBOX);
    assert_int_equal(chosen(&lt, app), FC_GUEST_OCI);
    put_link(&lt, "/sbin/init", "/bin/busybox");
    assert_int_equal(chosen(&lt, app), FC_GUEST_BUSYBOX);
    put(&lt, "/sbin/init-of-mine", 0755, "x");
    put_link(&lt, "/sbin/init", "init-of-mine");
    assert_int_equal(chosen(&lt, app), FC_GUEST_NONE);
    PROGRAMS("/sbin/openrc");
    assert_int_equal(chosen(&lt, app), FC_GUEST_OPENRC);
    PROGRAMS("/lib/systemd/systemd");
    put_link(&lt, "/sbin/init", "/lib/systemd/systemd");
    assert_int_equal(chosen(&lt, app), FC_GUEST_SYSTEMD);
    END;
}

CASE(none_leaves_init_alone)
{
    struct fc_guest_options o = {
        .init = FC_GUEST_NONE, .hostname = (char[]){"a-1.example"}, .net = FC_GUEST_NET_KERNEL};
    BEGIN(DIR_("etc"));
    put(&lt, "/etc/hosts", 0644, "127.0.0.1\tlocalhost\n127.0.1.1\told\n::1 x");
    DOES_ONCE(&o, "call the machine a-1.example\n"
                  "name the machine in /etc/hosts\n"
                  "take name servers from the kernel's ip= (/etc/resolv.conf)\n");
    CONTENT("/etc/hosts", "127.0.0.1\tlocalhost\n127.0.1.1\ta-1.example\n::1 x");
    CONTENT("/etc/hostname", "a-1.example\n");
    o.autologin = true;
    FAILS(&o, EINVAL, "autologin");
    o.autologin = false;
    o.net = FC_GUEST_NET_MAC;
    FAILS(&o, EINVAL, "net");
    for (const char *const *bad = (const char *const[]){"", "-a", "a-", "a..b", "a_b", ".a", "a\nb", NULL}; *bad;
         bad++) {
        char name[8];

        strcpy(name, *bad);
        o.hostname = name;
        FAILS(&o, EINVAL, "host name");
    }
    END;
}

CASE(the_net_can_be_chosen_again)
{
    struct fc_guest_options o = {.net = FC_GUEST_NET_MAC};
    char *done;
    BEGIN(DIR_("etc"));
    systemd_tree(&lt, "/usr/lib/systemd/system");
    FAILS(&o, EOPNOTSUPP, "iproute2");
    PROGRAMS("/usr/bin/ip");
    done = enable(&lt, &o);
    free(done);
    IS("/etc/systemd/system/sysinit.target.wants/fccompose-net.service",
       "-> /etc/systemd/system/fccompose-net.service");
    IS("/usr/sbin/fccompose-net", "100755 0:0");
    o.net = FC_GUEST_NET_DHCP;
    FAILS(&o, EOPNOTSUPP, "networkd");
    put(&lt, "/usr/lib/systemd/system/systemd-networkd.service", 0644, "[Install]\nWantedBy=multi-user.target\n");
    done = enable(&lt, &o);
    assert_non_null(strstr(done, "! net dhcp: without systemd-resolved"));
    free(done);
    IS("/usr/sbin/fccompose-net", "nothing");
    IS("/etc/systemd/system/sysinit.target.wants/fccompose-net.service", "nothing");
    IS("/etc/systemd/system/fccompose-net.service", "nothing");
    CONTENT("/etc/systemd/network/80-fccompose.network", "[Match]\nName=eth*\n\n[Network]\nDHCP=yes\n");
    o.net = FC_GUEST_NET_NONE;
    DOES_ONCE(&o, "ask for no address by DHCP (/etc/systemd/network/80-fccompose.network)\n");
    END;
}

CASE(hostile_trees)
{
    struct fc_guest_options o = {.init = FC_GUEST_NONE, .hostname = (char[]){"h"}};
    BEGIN(DIR_("etc"), DIR_("up"));
    put_link(&lt, "/etc/hostname", "../../../../../up/../up/name");
    put_link(&lt, "/etc/hosts", "/proc/../../up/hosts");
    DOES_ONCE(&o, "call the machine h\nname the machine in /etc/hosts\n");
    CONTENT("/up/name", "h\n");
    CONTENT("/up/hosts", "127.0.0.1\tlocalhost\n127.0.1.1\th\n");
    put_link(&lt, "/etc/hostname", "loop");
    put_link(&lt, "/etc/loop", "hostname");
    FAILS(&o, ELOOP, "/etc/hostname");
    do_verb(&lt, (struct fc_verb){.kind = FC_VERB_RM, .path = "/etc/hostname", .fd = -1});
    do_verb(&lt, (struct fc_verb){.kind = FC_VERB_MKDIR, .path = "/etc/hostname", .fd = -1});
    FAILS(&o, EISDIR, "/etc/hostname");
    do_verb(&lt, (struct fc_verb){.kind = FC_VERB_RM, .flags = FC_VERB_RECURSIVE, .path = "/etc", .fd = -1});
    put(&lt, "/etc", 0644, "a file");
    FAILS(&o, ENOTDIR, "/etc/hostname");
    put_link(&lt, "/etc", "etc");
    FAILS(&o, ELOOP, "/etc/hostname");
    END;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openrc_as_the_guide_does_it),
        cmocka_unit_test(openrc_logs_in_by_itself),
        cmocka_unit_test(openrc_without_agetty),
        cmocka_unit_test(systemd_as_the_preset_does_it),
        cmocka_unit_test(hygiene_leaves_a_systemd_that_makes_host_keys),
        cmocka_unit_test(units_with_other_names),
        cmocka_unit_test(busybox_gets_a_table),
        cmocka_unit_test(busybox_keeps_what_is_there),
        cmocka_unit_test(chooses_by_what_there_is),
        cmocka_unit_test(none_leaves_init_alone),
        cmocka_unit_test(the_net_can_be_chosen_again),
        cmocka_unit_test(hostile_trees),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
