/* SPDX-License-Identifier: Apache-2.0 */
/* A shell script for the host's side of the network, after docs/network-setup.md of Firecracker. */
#include <errno.h>

#include "vm/internal.h"

static const char head[] = "#!/bin/sh\n"
                           "# Make the tap devices of a microVM (as root), or with the argument \"down\" remove them.\n"
                           "set -eu\n"
                           "owner=${SUDO_USER:-$(id -un)}\n"
                           "out=$(ip -o route show default | sed -n 's/.* dev \\([^ ]*\\).*/\\1/p' | head -n 1)\n"
                           "rule() { # adds an iptables rule once, or removes it\n"
                           "    table=$1\n"
                           "    shift\n"
                           "    if [ \"$down\" ]; then\n"
                           "        iptables -t \"$table\" -D \"$@\" 2>/dev/null || true\n"
                           "    else\n"
                           "        iptables -t \"$table\" -C \"$@\" 2>/dev/null || iptables -t \"$table\" -A \"$@\"\n"
                           "    fi\n"
                           "}\n"
                           "case ${1:-} in\n"
                           "'') down='' ;;\n"
                           "down) down=1 ;;\n"
                           "*) echo \"usage: $0 [down]\" >&2; exit 2 ;;\n"
                           "esac\n";

static int add_device(struct fc_buf *b, const struct fc_vm_net *n)
{
    int r = fc_buf_addf(b,
                        "\n# %s\n"
                        "if [ -z \"$down\" ]; then\n"
                        "    ip link show dev %s >/dev/null 2>&1 || ip tuntap add dev %s mode tap user \"$owner\"\n",
                        n->tap, n->tap, n->tap);

    if (r == 0 && n->gateway[0])
        r = fc_buf_addf(b, "    ip addr replace %s/%u dev %s\n", n->gateway, n->prefix, n->tap);
    if (r == 0)
        r = fc_buf_addf(b, "    ip link set dev %s up\nfi\n", n->tap);
    if (r == 0 && n->gateway[0])
        r = fc_buf_addf(
            b,
            "if [ \"$out\" ]; then\n"
            "    [ \"$down\" ] || sysctl -q -w net.ipv4.ip_forward=1\n"
            "    rule nat POSTROUTING -s %s/32 -o \"$out\" -j MASQUERADE\n"
            "    rule filter FORWARD -i %s -o \"$out\" -j ACCEPT\n"
            "    rule filter FORWARD -i \"$out\" -o %s -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
            "fi\n",
            n->ip, n->tap, n->tap);
    if (r == 0)
        r = fc_buf_addf(b, "if [ \"$down\" ]; then\n    ip link del dev %s 2>/dev/null || true\nfi\n", n->tap);
    return r;
}

int fc_vm_tap_script(const struct fc_vm *vm, char **ret, struct fc_error *err)
{
    struct fc_buf b = {0};
    int r;

    if (vm->n_nets == 0)
        return fc_fail(err, EINVAL, "the microVM has no network: give --net");
    r = fc_buf_adds(&b, head);
    for (size_t i = 0; i < vm->n_nets && r == 0; i++)
        r = add_device(&b, &vm->nets[i]);
    if (r < 0) {
        fc_buf_release(&b);
        return fc_fail_errno(err, ENOMEM, "the script");
    }
    *ret = b.data;
    return 0;
}
