#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Boots that take long: init systems up to their login prompt, under QEMU with the 6.1 guest kernel.
load ../lib/common

setup() { enter_workdir; }
teardown() { leave_workdir; }

@test "the builtin layer's own init under QEMU: up, and rebooting ends the machine" {
    fccompose freeze -q -l builtin:busybox image.ext4 --free 8M
    boot_qemu image.ext4 /sbin/init 'echo prompt-$((40+2))' 'prompt-42'
    grep -aq 'is up' boot.log
}

@test "an image of every profile, and a read-only one, under user-mode Linux" {
    local options
    for options in "--profile compat" "--profile 5.10 --inline-data" "--profile 6.1 --inline-data" "--profile 6.18 --inline-data" "--read-only"; do
        [ "$options" = --read-only ] || options="$options --free 8M"
        # shellcheck disable=SC2086
        fccompose freeze -q -l builtin:busybox $options o.ext4
        boot_uml o.ext4 /bin/sh 'mount -t proc none /proc; echo word >/new; sync; mount -o remount,ro / && echo BOOTED-$((1+1))' BOOTED-2
        fsck_clean boot.img
    done
}

@test "Alpine's busybox init under QEMU" {
    need_alpine
    fccompose init -q "$ALPINE"
    fccompose write /etc/inittab 'ttyS0::respawn:/sbin/getty -L 0 ttyS0 vt100'
    fccompose freeze -q image.ext4 --free 16M
    boot_qemu image.ext4 /sbin/init '' 'login:'
}

@test "Debian with systemd, edited as a workspace, to its login prompt" {
    need_root
    need mmdebstrap
    tar=$FIXTURES/systemd.tar
    if [ ! -s "$tar" ]; then
        mkdir -p "$FIXTURES"
        mmdebstrap -q --variant=minbase --include=systemd-sysv,udev bookworm "$tar.part.tar" >mmdebstrap.log 2>&1 \
            3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- || skip "mmdebstrap failed: $(tail -n 1 mmdebstrap.log)"
        mv "$tar.part.tar" "$tar"
    fi
    fccompose init -q "$tar"
    fccompose write /etc/hostname composed
    fccompose freeze -q image.ext4 --free 64M
    fsck_clean image.ext4
    boot_qemu image.ext4 /sbin/init '' 'composed login:'
}
