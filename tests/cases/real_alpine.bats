#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# The official Alpine tarball: frozen, mounted, grown, booted, each judged by something that is not ours.
load ../lib/common

setup_file() {
    can need_alpine || return 0
    enter_workdir
    export WORK ALPINE
    mkdir expected
    tar -C expected --numeric-owner -p --xattrs --xattrs-include='*' --acls -xzf "$ALPINE" 2>/dev/null || true
    manifest expected >expected.manifest
    fccompose freeze -q -l "$ALPINE" image.ext4 --free 16M
}
teardown_file() { [ -z "${WORK:-}" ] || leave_workdir; }
setup() {
    need_alpine
    FCCOMPOSE_CACHE=$WORK/cache
    cd "$WORK"
}

@test "alpine: e2fsck finds nothing" { fsck_clean image.ext4; }

@test "alpine: the kernel's mount equals GNU tar's extraction" {
    need_root
    need_loop
    image_manifest image.ext4 image.manifest
    same_manifest expected.manifest image.manifest
}

@test "alpine: the live tree equals GNU tar's extraction, as root" {
    need_root
    need_fuse
    mkdir -p live
    fccompose mount -q -l "$ALPINE" live
    manifest live >live.manifest
    fccompose umount live
    same_manifest expected.manifest live.manifest
}

@test "alpine: an ordinary user freezes the same bytes and sees the same tree" {
    need_root
    need_fuse
    start_user
    cp "$ALPINE" "$WORK/user/alpine.tar.gz"
    as_user "fccompose freeze -q -l alpine.tar.gz image.ext4 --free 16M"
    cmp image.ext4 user/image.ext4
    as_user "mkdir live && fccompose mount -q -l alpine.tar.gz live && manifest live >live.manifest; fccompose umount live"
    stop_user
    same_manifest expected.manifest user/live.manifest
}

@test "alpine: resize2fs grows it and it stays clean" {
    cp image.ext4 grown.ext4
    truncate -s 512M grown.ext4
    run resize2fs grown.ext4
    [ "$status" -eq 0 ]
    fsck_clean grown.ext4
}

@test "alpine: boots to a prompt under user-mode Linux" {
    boot_uml image.ext4 /bin/sh 'echo prompt-$((40+2)); cat /etc/alpine-release' 'prompt-42'
    grep -aq '^3\.20\.3' "$WORK/boot.log"
}

@test "alpine: boots to a prompt under QEMU with the 6.1 guest kernel" {
    boot_qemu image.ext4 /bin/sh 'echo prompt-$((40+2)); cat /etc/alpine-release' 'prompt-42'
}
