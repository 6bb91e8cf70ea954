#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The example recipes that install packages from a distribution's servers, booted under a real kernel.
load ../lib/common

setup() { enter_workdir; }
teardown() {
    kill_users_of "$WORK/"
    leave_workdir
}

@test "recipe: ubuntu-systemd, over Debian's tree, reaches multi-user.target and a root shell on the console" {
    need_root
    need_fuse
    need_minbase
    need qemu-system-x86_64 xz
    need_shared kernels/vmlinux-6.1-x86_64.xz
    xz -dc "$SHARED/kernels/vmlinux-6.1-x86_64.xz" >vmlinux
    fccompose init -q -C r --example ubuntu-systemd
    fccompose -C r schema --check fccompose.yaml
    fccompose -C r build -q --set "BASE=$MINBASE"
    fsck_clean r/ubuntu.ext4
    # Typed again and again: a console may lose what comes too early.
    # shellcheck disable=SC2016 # for the guest
    while sleep 3 && echo 'echo "state $(systemctl is-system-running --wait) $(systemctl is-active multi-user.target ssh)"'; do :; done 2>/dev/null |
        fccompose boot r/ubuntu.ext4 --vmm qemu --kernel vmlinux --memory 512M --expect 'state running active' --timeout 300 \
            >console 2>words || { tail -n 60 console; cat words; return 1; }
    grep -aq 'root@ubuntu:~#' console
}

# User-mode Linux as Debian builds it has overlayfs as a module alone.
@test "recipe: overlay-init keeps what the machine writes on its own disk, or in memory" {
    need qemu-system-x86_64 xz mkfs.ext4
    need_shared kernels/vmlinux-6.1-x86_64.xz
    xz -dc "$SHARED/kernels/vmlinux-6.1-x86_64.xz" >vmlinux
    fccompose init -q -C r --example overlay-init
    fccompose -C r build -q
    fsck_clean r/base.ext4
    printf '#!/bin/sh\n[ -e /root/been ] && echo been here\nmkdir -p /root; echo x >/root/been && sync && echo root is $(awk '"'"'$2 == "/" { t = $3 } END { print t }'"'"' /proc/mounts)\n' >first
    fccompose -C r write /etc/init.d/S10first --mode 0755 <first
    fccompose -C r freeze -q --read-only "$PWD/r/base.ext4"
    truncate -s 16M vm1.ext4
    mkfs.ext4 -q vm1.ext4
    fccompose boot r/base.ext4 --vmm qemu --kernel vmlinux --timeout 200 --expect '^root is overlay' --overlay vm1.ext4 --write </dev/null >console
    [ "$(grep -ac 'been here' console)" -eq 0 ]
    fccompose boot r/base.ext4 --vmm qemu --kernel vmlinux --timeout 200 --expect '^root is overlay' --overlay vm1.ext4 --write </dev/null >console
    grep -aq 'been here' console
    fccompose boot r/base.ext4 --vmm qemu --kernel vmlinux --timeout 200 --expect '^root is overlay' --ro --init /sbin/overlay-init --append overlay_root=ram </dev/null >console
    [ "$(grep -ac 'been here' console)" -eq 0 ]
    run fccompose boot --vmm qemu --kernel vmlinux r/base.ext4 --ro --init /sbin/overlay-init --append overlay_root=vdx --timeout 200 </dev/null
    [ "$status" -eq 1 ]
    [[ $output == *"overlay-init: overlay_root=vdx: there is no block device /dev/vdx"* ]]
}
