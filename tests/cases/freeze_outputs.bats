#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# freeze: what comes with the image (digests, hash trees), and images that are written over their predecessors.
load ../lib/common

setup() {
    enter_workdir
    fccompose init -q builtin:busybox
    fccompose write /etc/hostname web
}
teardown() { leave_workdir; }

json() { python3 -c 'import json,sys; d = json.load(sys.stdin)
for k in sys.argv[1].split("."): d = d[k]
print(d)' "$1"; }

@test "--sha256 is what sha256sum says: file, standard output, block device" {
    fccompose freeze --sha256 a.ext4 2>a.err
    sum=$(sha256sum a.ext4 | cut -d' ' -f1)
    grep -q "^sha256:$sum$" a.err
    [ "$(fccompose --json freeze --sha256 a.ext4 | json sha256)" = "$sum" ]
    [ "$(fccompose freeze --sha256 - 2>b.err | sha256sum | cut -d' ' -f1)" = "$sum" ]
    grep -q "^sha256:$sum$" b.err
    need_root
    need_loop
    truncate -s "$(stat -c %s a.ext4)" disk
    dev=$(losetup -f --show disk)
    fccompose --json freeze --sha256 "$dev" >dev.json
    losetup -d "$dev"
    [ "$(json sha256 <dev.json)" = "$sum" ]
    [ "$(sha256sum disk | cut -d' ' -f1)" = "$sum" ]
}

@test "--chunks lists the digest of every 64 KiB" {
    fccompose freeze -q --free 1M --chunks a.chunks a.ext4
    {
        printf 'fccompose-chunks 1\nsize %d\nchunk-size 65536\nalgorithm sha256\n' "$(stat -c %s a.ext4)"
        split -b 65536 --filter='sha256sum | cut -d" " -f1' a.ext4
    } | cmp - a.chunks
    run fccompose freeze --chunks a.ext4 a.ext4
    [ "$status" -eq 2 ]
    [[ $output == *"--chunks: a.ext4 is the image"* ]]
}

@test "--verity: veritysetup agrees, the same tree every time, a changed byte is found" {
    need veritysetup
    PATH=$PATH:/usr/sbin:/sbin
    fccompose freeze -q plain.ext4
    size=$(stat -c %s plain.ext4)
    fccompose --json freeze --sha256 --verity append a.ext4 >a.json
    root=$(json verity.root_hash <a.json)
    [ "$(json verity.offset <a.json)" -eq "$size" ]
    [ "$(json sha256 <a.json)" = "$(sha256sum a.ext4 | cut -d' ' -f1)" ]
    cmp -n "$size" plain.ext4 a.ext4
    veritysetup verify a.ext4 a.ext4 "$root" --hash-offset "$size"
    veritysetup dump a.ext4 --hash-offset "$size" >dump
    grep -q "Salt:.*$(json verity.salt <a.json)" dump
    grep -q "Data blocks:.*$((size / 4096))" dump

    fccompose --json freeze --verity tree b.ext4 >b.json
    cmp plain.ext4 b.ext4
    [ "$(json verity.root_hash <b.json)" = "$root" ]
    veritysetup verify b.ext4 tree "$root"
    tail -c +$((size + 1)) a.ext4 | cmp - tree

    fccompose freeze -q --verity append - | cmp - a.ext4
    printf X | dd of=a.ext4 bs=1 seek=$((size / 2)) conv=notrunc status=none
    run veritysetup verify a.ext4 a.ext4 "$root" --hash-offset "$size"
    [ "$status" -ne 0 ]
}

@test "--verity: the kernel's argument opens the device and the guest's root is there" {
    need_root
    need veritysetup dmsetup
    need_loop
    PATH=$PATH:/usr/sbin:/sbin
    dmsetup version >/dev/null 2>&1 && dmsetup targets | grep -q '^verity' || skip "no dm-verity in this kernel"
    fccompose --json freeze --verity append a.ext4 >a.json
    dev=$(losetup -r -f --show a.ext4)
    table=$(json verity.kernel_argument <a.json | sed 's/.*,ro,//; s/".*//' | sed "s,/dev/vda,$dev,g")
    dmsetup create -r "fctest$$" --table "$table"
    mkdir mnt
    mount -o ro "/dev/mapper/fctest$$" mnt
    cat mnt/etc/hostname >hostname
    umount mnt
    dmsetup remove "fctest$$"
    losetup -d "$dev"
    [ "$(cat hostname)" = web ]
}
