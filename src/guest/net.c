/* SPDX-License-Identifier: Apache-2.0 */
/* How the guest gets its address, for each init. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "guest/internal.h"

#define MAC_SCRIPT "/usr/sbin/fccompose-net"
#define MAC_UNIT "fccompose-net.service"
#define UNIT_PATH "/etc/systemd/system/" MAC_UNIT
#define NETWORK "/etc/systemd/network/80-fccompose.network"
#define RC_SCRIPT "/etc/init.d/fccompose-net"

/* As Firecracker's test images do, and a default route besides. */
static const char mac_script[] =
    "#!/bin/sh\n"
    "# Written by fccompose guest enable --net mac: an interface whose MAC address is 06:00:AA:BB:CC:DD (hexadecimal) "
    "gets the\n"
    "# address AA.BB.CC.DD/30, and the first one the default route, through the other address of its network.\n"
    "PATH=/usr/sbin:/usr/bin:/sbin:/bin\n"
    "route=\n"
    "for dir in /sys/class/net/*; do\n"
    "    [ -r \"$dir/address\" ] && IFS=: read -r a b c d e f <\"$dir/address\" || continue\n"
    "    [ \"$a:$b\" = 06:00 ] || continue\n"
    "    dev=${dir##*/}\n"
    "    net=$((0x$c)).$((0x$d)).$((0x$e))\n"
    "    ip addr add \"$net.$((0x$f))/30\" dev \"$dev\"\n"
    "    ip link set \"$dev\" up\n"
    "    [ -n \"$route\" ] || ip route add default via \"$net.$((0x$f ^ 3))\" dev \"$dev\"\n"
    "    route=yes\n"
    "done\n"
    "ip link set lo up\n";

static const char mac_unit[] = "[Unit]\n"
                               "Description=Addresses that the MAC addresses hold\n"
                               "DefaultDependencies=no\n"
                               "Before=network.target sysinit.target shutdown.target\n"
                               "Wants=network.target\n"
                               "Conflicts=shutdown.target\n"
                               "\n"
                               "[Service]\n"
                               "Type=oneshot\n"
                               "RemainAfterExit=yes\n"
                               "ExecStart=" MAC_SCRIPT "\n"
                               "\n"
                               "[Install]\n"
                               "WantedBy=sysinit.target\n";

static const char rc_script[] = "#!/sbin/openrc-run\n"
                                "description=\"Addresses that the MAC addresses hold\"\n"
                                "\n"
                                "depend() {\n"
                                "    after sysfs devfs bootmisc\n"
                                "    provide net\n"
                                "}\n"
                                "\n"
                                "start() {\n"
                                "    ebegin \"Setting addresses by MAC\"\n"
                                "    " MAC_SCRIPT "\n"
                                "    eend $?\n"
                                "}\n";

static const char networkd[] = "[Match]\n"
                               "Name=eth*\n"
                               "\n"
                               "[Network]\n"
                               "DHCP=yes\n";

/* For udhcpc of BusyBox where no distribution's is there. */
static const char dhcp_script[] =
    "#!/bin/sh\n"
    "# Written by fccompose guest enable --net dhcp: what udhcpc(8) runs.\n"
    "PATH=/usr/sbin:/usr/bin:/sbin:/bin\n"
    "case $1 in\n"
    "deconfig)\n"
    "    ip addr flush dev \"$interface\"\n"
    "    ip link set \"$interface\" up\n"
    "    ;;\n"
    "bound | renew)\n"
    "    ip addr flush dev \"$interface\"\n"
    "    ip addr add \"$ip/${mask:-24}\" dev \"$interface\"\n"
    "    [ -z \"$router\" ] || ip route add default via \"${router%% *}\" dev \"$interface\"\n"
    "    for n in $dns; do echo \"nameserver $n\"; done >/etc/resolv.conf\n"
    "    ;;\n"
    "esac\n";

static int put_script(struct fc_guest_plan *p, const char *path, const char *text, uint32_t mode, const char *what,
                      struct fc_error *err)
{
    return guest_put(p, &(struct guest_want){.path = path, .text = text, .mode = mode}, err, "%s (%s)", what, path);
}

/* What an earlier choice left goes. */
static int drop_others(struct fc_guest_plan *p, struct fc_error *err)
{
    enum fc_guest_net net = p->options->net;
    int r = 0;

    if (net != FC_GUEST_NET_MAC && guest_has(p, MAC_SCRIPT, S_IFREG)) {
        r = guest_unit_disable(p, MAC_UNIT, err);
        if (r == 0)
            r = guest_drop(p, UNIT_PATH, err, "remove the unit " MAC_UNIT);
        if (r == 0)
            r = guest_drop(p, "/etc/runlevels/boot/fccompose-net", err, "do not start fccompose-net");
        if (r == 0)
            r = guest_drop(p, RC_SCRIPT, err, "remove the service fccompose-net");
        if (r == 0)
            r = guest_drop(p, MAC_SCRIPT, err, "set no addresses by MAC");
    }
    if (r == 0 && net != FC_GUEST_NET_DHCP)
        r = guest_drop(p, NETWORK, err, "ask for no address by DHCP (" NETWORK ")");
    return r;
}

/* The kernel has the name servers of ip= in a file of its own. */
static int by_kernel(struct fc_guest_plan *p, struct fc_error *err)
{
    return guest_link(p, "/etc/resolv.conf", "../proc/net/pnp", err,
                      "take name servers from the kernel's ip= (/etc/resolv.conf)");
}

static int by_mac(struct fc_guest_plan *p, struct fc_error *err)
{
    int r;

    if (p->init == FC_GUEST_OCI)
        return 0; /* its init does it itself: see oci.c */
    if (!guest_program(p, "ip"))
        return fc_fail(err, EOPNOTSUPP,
                       "net mac: the tree has no ip; next: fccompose run -- apt-get install iproute2, or apk "
                       "add iproute2");
    r = put_script(p, MAC_SCRIPT, mac_script, 0755, "set addresses by MAC", err);
    if (r < 0)
        return r;
    if (p->init == FC_GUEST_BUSYBOX)
        return guest_need_line(p, "/etc/inittab", "::wait:" MAC_SCRIPT, err, "set addresses at boot (/etc/inittab)");
    if (p->init == FC_GUEST_SYSTEMD)
        r = put_script(p, UNIT_PATH, mac_unit, 0, "have a unit that sets addresses by MAC", err);
    else
        r = put_script(p, RC_SCRIPT, rc_script, 0755, "have a service that sets addresses by MAC", err);
    if (r < 0)
        return r;
    return p->init == FC_GUEST_SYSTEMD ? guest_unit_enable(p, MAC_UNIT, err)
                                       : guest_rc_add(p, "fccompose-net", "boot", err);
}

/* ifupdown's file: Debian's and Alpine's alike. */
static int interfaces(struct fc_guest_plan *p, struct fc_error *err)
{
    static const char path[] = "/etc/network/interfaces";
    static const char *const lines[] = {"auto lo", "iface lo inet loopback", "auto eth0", "iface eth0 inet dhcp"};
    int r = 0;

    for (size_t i = 0; i < FC_LENGTH(lines) && r == 0; i++)
        r = guest_need_line(p, path, lines[i], err, "ask for eth0's address by DHCP (/etc/network/interfaces)");
    return r;
}

static int dhcp_systemd(struct fc_guest_plan *p, struct fc_error *err)
{
    int r;

    if (!guest_unit(p, "systemd-networkd.service")) {
        if (!guest_program(p, "ifup") || !guest_unit(p, "networking.service"))
            return fc_fail(err, EOPNOTSUPP, "net dhcp: the tree has neither systemd-networkd nor ifupdown");
        r = interfaces(p, err);
        return r < 0 ? r : guest_unit_enable(p, "networking.service", err);
    }
    r = put_script(p, NETWORK, networkd, 0, "ask for addresses by DHCP", err);
    if (r == 0)
        r = guest_unit_enable(p, "systemd-networkd.service", err);
    if (r < 0)
        return r;
    if (!guest_unit(p, "systemd-resolved.service"))
        return guest_note(p, err,
                          "net dhcp: without systemd-resolved nobody writes the name servers into /etc/resolv.conf; "
                          "next: fccompose run -- apt-get install systemd-resolved");
    r = guest_unit_enable(p, "systemd-resolved.service", err);
    return r < 0 ? r
                 : guest_link(p, "/etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf", err,
                              "ask systemd-resolved for names (/etc/resolv.conf)");
}

static int dhcp_busybox(struct fc_guest_plan *p, struct fc_error *err)
{
    const char *client = guest_program(p, "udhcpc"), *line;
    int r = 0;

    if (!client)
        return fc_fail(err, EOPNOTSUPP, "net dhcp: the tree has no udhcpc");
    line = guest_text(p, "::respawn:%s -f -i eth0", client);
    if (!line)
        return guest_no_memory(err);
    if (!guest_has(p, "/usr/share/udhcpc/default.script", S_IFREG))
        r = put_script(p, "/usr/share/udhcpc/default.script", dhcp_script, 0755, "have a script for udhcpc", err);
    return r < 0 ? r : guest_need_line(p, "/etc/inittab", line, err, "ask for eth0's address by DHCP (/etc/inittab)");
}

static int by_dhcp(struct fc_guest_plan *p, struct fc_error *err)
{
    int r;

    switch (p->init) {
    case FC_GUEST_SYSTEMD:
        return dhcp_systemd(p, err);
    case FC_GUEST_BUSYBOX:
        return dhcp_busybox(p, err);
    case FC_GUEST_OPENRC:
        r = interfaces(p, err);
        return r < 0 ? r : guest_rc_add(p, "networking", "boot", err);
    default:
        r = guest_note(p, err, "net dhcp: the oci init leaves it to the kernel: boot with ip=dhcp");
        return r < 0 ? r : by_kernel(p, err);
    }
}

int guest_net(struct fc_guest_plan *p, struct fc_error *err)
{
    int r = p->options->net == FC_GUEST_NET_DEFAULT ? 0 : drop_others(p, err);

    if (r < 0)
        return r;
    switch (p->options->net) {
    case FC_GUEST_NET_KERNEL:
        return by_kernel(p, err);
    case FC_GUEST_NET_MAC:
        return by_mac(p, err);
    case FC_GUEST_NET_DHCP:
        return by_dhcp(p, err);
    default:
        return 0;
    }
}
