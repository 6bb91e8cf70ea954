#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A real kernel: Debian's linux-source, the minimal configuration, built (some 9 minutes of processor time), compared with the
# kernel's own scripts, and booted under QEMU with an image of ours.
load ../lib/common

setup() {
    need make gcc flex bison bc xz
    enter_workdir
    unset SOURCE_DATE_EPOCH MAKEFLAGS
    SOURCE=$(find /usr/src -maxdepth 1 -name 'linux-source-6.1.tar.xz' | head -n 1)
    [ -n "$SOURCE" ] || skip "the package linux-source-6.1 is not installed"
}
teardown() { leave_workdir; }

@test "the minimal kernel: every option of the contract survives; extracted as the kernel's script does; it boots" {
    need qemu-system-x86_64
    fccompose --progress plain kernel build --source "$SOURCE" --config minimal --fragment ikconfig --arch x86_64 -o out >names
    vmlinux=$(grep -x 'out/vmlinux-6\.1\.[0-9]*' names)
    version=${vmlinux#out/vmlinux-}
    fccompose kernel check "$vmlinux" >check
    grep -q 'PVH entry' check
    ! grep -qE '^(warn|error)' check
    tree=$(dirname "$(find cache/kernels/src -maxdepth 2 -name Kconfig)")
    "$tree/scripts/extract-ikconfig" "$vmlinux" | cmp - "$vmlinux.config"
    "$tree/scripts/extract-vmlinux" "out/bzImage-$version" >theirs
    fccompose -q kernel extract "out/bzImage-$version" -o ours
    cmp ours theirs
    ! strings -a "$vmlinux" | grep -F "$WORK"
    fccompose freeze -q -l builtin:busybox image.ext4 --free 8M
    boot_machine 'echo up-$((40+2))-$(uname -r)' "up-42-$version" 120 qemu-system-x86_64 -M q35 -cpu max -m 256 -nographic -no-reboot \
        -kernel "$vmlinux" -append "console=ttyS0 root=/dev/vda rw panic=-1 init=/bin/sh" \
        -drive "file=image.ext4,format=raw,if=virtio"
    # The same objects, another fragment: only what it changes is made.
    fccompose -q kernel build --source "$SOURCE" --config minimal --fragment ikconfig --arch x86_64 -o again --json | grep -q '"cached": true'
    cmp "$vmlinux" "again/vmlinux-$version"
}
