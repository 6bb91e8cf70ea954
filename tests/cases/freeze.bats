#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# freeze: the same bytes every time, exact sizes, complete or absent, every kind of output.
load ../lib/common

setup() {
    enter_workdir
    fccompose init -q builtin:busybox
    fccompose write /etc/hostname web
}
teardown() { leave_workdir; }

@test "the same bytes whatever umask, locale, time zone, clock and terminal" {
    fccompose freeze -q a.ext4
    (umask 077; TZ=Asia/Tokyo LC_ALL=C.UTF-8 fccompose freeze -q b.ext4)
    sleep 1.1
    fccompose --progress=plain freeze c.ext4 >/dev/null 2>&1
    cmp a.ext4 b.ext4
    cmp a.ext4 c.ext4
    taskset -c 0 fccompose freeze -q d.ext4
    cmp a.ext4 d.ext4
}

@test "the same bytes on ext4, XFS, btrfs and tmpfs hosts" {
    need_root
    need_loop
    fccompose freeze -q a.ext4
    for fs in xfs btrfs; do
        command -v mkfs.$fs >/dev/null || continue
        truncate -s 600M $fs.img
        mkfs.$fs -q $fs.img
        mkdir $fs
        mount -o loop $fs.img $fs || { rm -rf $fs; continue; }
        cp -r .fccompose $fs/ && (cd $fs && FCCOMPOSE_CACHE=$PWD/cache fccompose freeze -q -l builtin:busybox own.ext4 && FCCOMPOSE_CACHE=$PWD/cache fccompose freeze -q out.ext4)
        cmp a.ext4 $fs/out.ext4
        umount $fs
    done
    mkdir tmpfs
    mount -t tmpfs none tmpfs
    fccompose freeze -q tmpfs/out.ext4
    cmp a.ext4 tmpfs/out.ext4
    umount tmpfs
}

@test "standard output gives the same bytes" {
    fccompose freeze -q a.ext4
    fccompose freeze -q - | cmp a.ext4 -
}

@test "a block device is written in place" {
    need_root
    need_loop
    fccompose freeze -q a.ext4
    truncate -s 64M disk
    tr '\0' 'x' </dev/zero | head -c 67108864 >disk
    dev=$(losetup -f --show disk)
    fccompose freeze -q "$dev"
    losetup -d "$dev"
    cmp -n "$(stat -c %s a.ext4)" a.ext4 disk
}

@test "a size that is too small is refused with the needed number, which does" {
    run fccompose freeze --size 1M small.ext4
    [ "$status" -eq 1 ]
    [ ! -e small.ext4 ]
    needed=$(grep -oE '[0-9]{6,}' <<<"$output" | tail -n 1)
    [ -n "$needed" ]
    fccompose freeze -q --size "$needed" fits.ext4
    [ "$(stat -c %s fits.ext4)" -le "$needed" ]
    fsck_clean fits.ext4
    run fccompose freeze --size $((needed - 4096)) small.ext4
    [ "$status" -eq 1 ]
}

@test "--size and --free give what they say" {
    fccompose freeze -q --size 100M sized.ext4
    [ "$(stat -c %s sized.ext4)" = 104857600 ]
    fsck_clean sized.ext4
    fccompose freeze -q --free 20M free.ext4
    [ "$(dumpe2fs -h free.ext4 2>/dev/null | awk '/^Free blocks/ { print $3 }')" -ge 5120 ]
    fsck_clean free.ext4
}

@test "label, UUID, journal, inode size, reserved blocks" {
    fccompose freeze -q --label mine --uuid 01234567-89ab-cdef-0123-456789abcdef --no-journal --inode-size 512 --reserved 5 o.ext4
    fsck_clean o.ext4
    dumpe2fs -h o.ext4 2>/dev/null >dump
    grep -q 'volume name: *mine' dump
    grep -q '01234567-89ab-cdef-0123-456789abcdef' dump
    ! grep -q has_journal dump
    grep -q 'Inode size:.*512' dump
    fccompose freeze -q j.ext4
    dumpe2fs -h j.ext4 2>/dev/null >dump
    grep -q has_journal dump
    for f in extent 64bit flex_bg dir_index metadata_csum resize_inode; do grep -q "features:.* $f" dump || { cat dump; return 1; }; done
    ! grep -qE 'orphan_file|metadata_csum_seed' dump
}

@test "a full disk leaves nothing, and an old image as it was" {
    need_root
    mkdir small
    mount -t tmpfs -o size=200k none small
    echo old >small/out.ext4
    run fccompose freeze small/out.ext4
    [ "$status" -eq 1 ]
    [ "$(cat small/out.ext4)" = old ]
    [ "$(find small -type f | wc -l)" -eq 1 ]
    umount small
}

@test "a killed freeze leaves the old image" {
    need_minbase
    echo old >out.ext4
    fccompose freeze -q -l "$MINBASE" warm.ext4
    for delay in 0.01 0.03 0.06 0.1; do
        fccompose freeze -q --no-sync -l "$MINBASE" out.ext4 & p=$!
        sleep $delay
        kill -KILL $p 2>/dev/null || true
        wait $p 2>/dev/null || true
        [ "$(head -c 3 out.ext4)" = old ] || cmp out.ext4 warm.ext4
    done
}

@test "SOURCE_DATE_EPOCH sets the file system's own times" {
    SOURCE_DATE_EPOCH=1000000000 fccompose freeze -q e.ext4
    TZ=UTC dumpe2fs -h e.ext4 2>/dev/null | grep -q 'Filesystem created: *Sun Sep  9 01:46:40 2001'
}

@test "an unwritable place and a bad option are told in words" {
    run fccompose freeze no/such/folder/out.ext4
    [ "$status" -eq 1 ]
    [[ $output == *no/such/folder* ]]
    run fccompose freeze --size banana out.ext4
    [ "$status" -eq 2 ]
    [[ $output == *banana* ]]
    run fccompose freeze
    [ "$status" -eq 2 ]
}
