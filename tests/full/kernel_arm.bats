#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A real kernel for the other architecture: Debian's linux-source cross-built, its header checked, booted where QEMU can.
load ../lib/common

setup() {
    need make flex bison bc xz aarch64-linux-gnu-gcc
    enter_workdir
    unset SOURCE_DATE_EPOCH MAKEFLAGS
    SOURCE=$(find /usr/src -maxdepth 1 -name 'linux-source-6.1.tar.xz' | head -n 1)
    [ -n "$SOURCE" ] || skip "the package linux-source-6.1 is not installed"
}
teardown() { leave_workdir; }

@test "the minimal kernel for aarch64: an Image with pages of 4 KiB, which boots with an initrd-less root" {
    fccompose --progress plain kernel build --source "$SOURCE" --config minimal --arch aarch64 -o out >names
    image=$(grep -x 'out/Image-6\.1\.[0-9]*' names)
    [ "$(dd if="$image" bs=1 skip=56 count=4 status=none | xxd -p)" = 41524d64 ]
    fccompose kernel check "$image" >check
    ! grep -q '^error' check
    grep -q 'arm64 Image, 6.1' check
    need qemu-system-aarch64
    need_shared layers/alpine-minirootfs-3.20.3-aarch64.tar.gz
    fccompose freeze -q -l "$SHARED/layers/alpine-minirootfs-3.20.3-aarch64.tar.gz" image.ext4 --free 8M
    boot_machine 'echo up-$((40+2))-$(uname -m)' up-42-aarch64 300 qemu-system-aarch64 -M virt -cpu cortex-a57 -m 256 -nographic -no-reboot \
        -kernel "$image" -append "console=ttyAMA0 root=/dev/vda rw panic=-1 init=/bin/sh" -drive "file=image.ext4,format=raw,if=virtio"
}
