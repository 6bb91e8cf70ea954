#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# The image that is never written: the bytes of freeze, read by programs that know nothing of it; and written to by a guest.
load ../lib/common

setup() {
    need_root
    need_fuse
    enter_workdir
    DISK=$WORK/.fccompose/disk/disk.ext4
}
teardown() {
    [ -z "${WORK:-}" ] || {
        cd "$WORK"
        fccompose umount -q --lazy 2>/dev/null || true
        leave_workdir
    }
}

# A workspace of its own tree, with a big sparse file and odd ones.
make_workspace() {
    mkdir -p lower/etc lower/many
    echo lower >lower/etc/hostname
    for i in $(seq 200); do echo "$i" >"lower/many/$i"; done
    dd if=/dev/urandom of=lower/big bs=1M count=8 status=none
    truncate -s 30M lower/sparse
    echo end >>lower/sparse
    fccompose init -q --owner 0:0 dir:lower
}

@test "a mounted workspace: the bytes of freeze, for cmp, e2fsck, a loop mount and O_DIRECT" {
    need_loop
    make_workspace
    run fccompose mount
    [[ $output == *"$DISK"* ]]
    echo edited >rootfs/etc/hostname
    fccompose freeze -q out.ext4
    cmp out.ext4 "$DISK"
    [ "$(sha256sum <"$DISK")" = "$(sha256sum <out.ext4)" ]
    fsck_clean "$DISK"
    dd if="$DISK" bs=64K iflag=direct status=none | cmp - out.ext4
    fccompose freeze -q - | cmp - "$DISK"
    cp "$DISK" copy.ext4
    cmp copy.ext4 out.ext4
    [ "$(stat -c %b copy.ext4)" -lt $((20 * 2048)) ] # holes stay holes
    image_manifest "$DISK" image.txt
    manifest rootfs >live.txt
    same_manifest live.txt image.txt
    [ "$(ls -A rootfs)" = "$(ls -A lower)" ]
    fccompose status | grep -qF "disk       $DISK"
    [ "$(fccompose status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["disk"])')" = "$DISK" ]
    [ "$(fccompose freeze --virtual)" = "$DISK" ]
    run fccompose freeze --virtual --free 1M
    [ "$status" -eq 1 ]
    [[ $output == *"offered already"*umount* ]]
    fccompose umount -q
    [ ! -e "$DISK" ]
    ! grep -q "$WORK" /proc/self/mounts
}

@test "one open is one moment, whatever is edited meanwhile, in a mapping too; the next open sees it" {
    make_workspace
    fccompose mount -q
    fccompose freeze -q before.ext4
    exec 5<"$DISK"
    rm -r rootfs/many
    dd if=/dev/urandom of=rootfs/big bs=1M count=8 conv=notrunc status=none
    echo new >rootfs/etc/hostname
    python3 - <<'PY'
import mmap, os
fd = os.open("rootfs/big", os.O_RDWR)
m = mmap.mmap(fd, 0)
m[4096:4104] = b"unsynced"
import subprocess
subprocess.run(["cp", ".fccompose/disk/disk.ext4", "mapped.ext4"], check=True)
m.close()
PY
    fccompose freeze -q after.ext4
    cmp before.ext4 - <&5
    exec 5<&-
    cmp after.ext4 "$DISK"
    cmp after.ext4 mapped.ext4
    run cmp before.ext4 after.ext4
    [ "$status" -eq 1 ]
    debugfs -R 'dump /big big.out' mapped.ext4 2>/dev/null
    [ "$(tail -c +4097 big.out | head -c 8)" = unsynced ]
}

@test "readers while the tree changes: every copy is a clean file system" {
    make_workspace
    fccompose mount -q
    ( while [ ! -e stop ]; do for i in $(seq 50); do echo "$RANDOM" >"rootfs/many/$i"; mv "rootfs/many/$i" "rootfs/etc/$i"; mv "rootfs/etc/$i" "rootfs/many/$i"; done; done ) &
    local i first second
    for i in 1 2 3; do
        cp "$DISK" copy-a.ext4 &
        first=$!
        cp "$DISK" copy-b.ext4 &
        second=$!
        wait $first
        wait $second
        fsck_clean copy-a.ext4
        fsck_clean copy-b.ext4
    done
    touch stop
    wait
}

@test "in use: umount says so and takes nothing away; --lazy does; a dead one is cleaned up" {
    make_workspace
    fccompose mount -q
    exec 5<"$DISK"
    run fccompose umount
    [ "$status" -eq 1 ]
    [[ $output == *"$DISK is in use"* ]]
    [ -e rootfs/etc/hostname ]
    head -c 1 <&5 >/dev/null
    fccompose umount -q --lazy
    exec 5<&-
    ! grep -q "$WORK" /proc/self/mounts
    fccompose mount -q
    kill -9 "$(fccompose status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["pid"])')"
    while [ -e rootfs/etc/hostname ]; do sleep 0.05; done
    fccompose mount -q
    fccompose freeze -q out.ext4
    cmp out.ext4 "$DISK"
    # Taken away by itself, the mount lives on.
    fccompose umount -q .fccompose/disk
    [ -e rootfs/etc/hostname ]
    run fccompose status
    [[ $output != *"disk.ext4"* ]]
    fccompose umount -q
}

@test "a mount that can have no virtual disk is one all the same, and says where to look" {
    make_workspace
    mkdir .fccompose/disk
    touch .fccompose/disk/something
    run fccompose mount
    [ "$status" -eq 0 ]
    [[ $output == *"without a virtual disk"*mount.log* ]]
    grep -q 'not empty' .fccompose/mount.log
    [ -e rootfs/etc/hostname ]
    run fccompose freeze --virtual
    [ "$status" -eq 1 ]
    [[ $output == *"offers no virtual disk"* ]]
    fccompose umount -q
}

@test "without a mount: options, edit commands meanwhile, and words when it cannot be" {
    make_workspace
    path=$(fccompose freeze -q --virtual --free 8M --label virtual)
    [ "$path" = "$DISK" ]
    fccompose freeze -q --free 8M --label virtual out.ext4
    cmp out.ext4 "$path"
    fccompose write /etc/hostname changed
    fccompose freeze -q --free 8M --label virtual changed.ext4
    cmp changed.ext4 "$path"
    run cmp changed.ext4 out.ext4
    [ "$status" -eq 1 ]
    [ "$(fccompose freeze --virtual)" = "$DISK" ]
    fccompose status | grep -q '^mount *none'
    for c in mount "layer rm 0" "commit x"; do
        # shellcheck disable=SC2086
        run fccompose $c
        [ "$status" -eq 1 ]
        [[ $output == *"offered as $DISK"*umount* ]]
    done
    fccompose umount -q
    [ ! -e "$DISK" ]
    fccompose freeze -q --virtual >/dev/null
    kill -9 "$(fccompose status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["pid"])')"
    while [ -e "$DISK" ]; do sleep 0.05; done
    fccompose status | grep -q '^disk *dead'
    fccompose umount -q
    ! grep -q "$WORK" /proc/self/mounts
    run fccompose freeze --virtual --size 64K
    [ "$status" -eq 1 ]
    [[ $output == *"too small"* ]]
    ! grep -q "$WORK" /proc/self/mounts
    fccompose mount -q --disk-free 8M
    fccompose freeze -q --free 8M out.ext4
    cmp out.ext4 "$DISK"
    fccompose umount -q
    run fccompose mount --disk-size 4K
    [ "$status" -eq 0 ]
    run cat "$DISK"
    [ "$status" -eq 1 ]
    grep -q 'too small' .fccompose/mount.log
    fccompose umount -q
}

@test "of layers, in the foreground, with no workspace" {
    make_workspace
    mkdir offered
    fccompose freeze -q --virtual -f -l dir:lower offered >path 5>&- &
    while [ ! -s path ]; do sleep 0.05; done
    [ "$(cat path)" = "$WORK/offered/disk.ext4" ]
    fccompose freeze -q -l dir:lower out.ext4
    cmp out.ext4 offered/disk.ext4
    kill -TERM $!
    wait $!
    [ ! -e offered/disk.ext4 ]
    fccompose freeze -q --virtual -l dir:lower offered
    cmp out.ext4 offered/disk.ext4
    fccompose umount -q offered
    [ ! -e offered/disk.ext4 ]
}

@test "an overlay: a guest's writes are kept, and by what they were written to" {
    need_loop
    make_workspace
    fccompose freeze -q --free 16M out.ext4
    fccompose freeze -q --virtual --free 16M --rw overlay
    mkdir mnt
    mount -o loop "$DISK" mnt
    dd if=/dev/urandom of=mnt/written bs=1M count=6 status=none
    sum=$(sha256sum <mnt/written)
    rm mnt/etc/hostname
    umount mnt
    while [ -n "$(losetup -j "$DISK")" ]; do sleep 0.05; done
    fsck_clean "$DISK"
    fccompose freeze -q --free 16M again.ext4
    cmp out.ext4 again.ext4 # the tree has nothing of it
    run fccompose freeze --virtual -l dir:lower elsewhere --rw overlay
    [ "$status" -eq 1 ]
    [[ $output == *"in use"* ]]
    fccompose umount -q
    fccompose freeze -q --virtual --free 16M --rw overlay
    mount -o loop "$DISK" mnt
    [ "$(sha256sum <mnt/written)" = "$sum" ]
    [ ! -e mnt/etc/hostname ]
    umount mnt
    while [ -n "$(losetup -j "$DISK")" ]; do sleep 0.05; done
    fccompose umount -q
    run fccompose freeze --virtual --free 16M --uuid 11111111-2222-3333-4444-555555555555 --rw overlay
    [ "$status" -eq 1 ]
    [[ $output == *UUID* ]]
    fccompose chmod 600 /etc/hostname
    run fccompose freeze --virtual --free 16M --rw overlay
    [ "$status" -eq 1 ]
    [[ $output == *"have changed"* ]]
    [ ! -e "$DISK" ]
}

@test "an overlay on a host that is full: the guest hears of it, the server lives" {
    make_workspace
    mkdir small
    mount -t tmpfs -o size=2m none small
    fccompose freeze -q --virtual --free 16M --rw small/overlay
    size=$(stat -c %s "$DISK")
    run dd if=/dev/zero of="$DISK" bs=1M count=8 seek=$((size / 1048576 - 8)) conv=notrunc,fsync status=none
    [ "$status" -eq 1 ]
    [[ $output == *"No space left"* ]]
    [ "$(wc -c <"$DISK")" = "$size" ]
    fsck_clean "$DISK" # what was written is free space, and zeros
    grep -q "overlay.*No space left" .fccompose/mount.log
    fccompose umount -q
    fccompose freeze -q --virtual --free 16M --rw small/overlay
    fsck_clean "$DISK"
    fccompose umount -q
}

@test "an ordinary user: mount, freeze --virtual, overlay" {
    start_user
    mkdir user/lower
    dd if=/dev/urandom of=user/lower/big bs=1M count=3 status=none
    chown -R fctest: user/lower
    as_user 'fccompose init -q --owner 0:0 dir:lower && fccompose mount -q && echo x >rootfs/new &&
        fccompose freeze -q out.ext4 && cmp out.ext4 .fccompose/disk/disk.ext4 && fccompose umount -q &&
        p=$(fccompose freeze -q --virtual --free 4M --rw over) && e2fsck -fn "$p" >/dev/null &&
        echo "write /etc/passwd made" | debugfs -w -f - "$p" >/dev/null 2>&1 && e2fsck -fn "$p" >/dev/null && fccompose umount -q &&
        p=$(fccompose freeze -q --virtual --free 4M --rw over) && debugfs -R "cat made" "$p" 2>/dev/null | cmp - /etc/passwd &&
        fccompose umount -q && [ ! -e "$p" ]'
    fsck_clean user/out.ext4
}

@test "user-mode Linux boots from the virtual disk, and writes to an overlay" {
    need linux.uml
    fccompose init -q builtin:busybox
    fccompose freeze -q --virtual --free 8M
    ln -s "$DISK" boot.img
    boot_machine 'echo prompt-$((40+2))' prompt-42 60 "$ROOT/tools/uml" "ubd0r=$WORK/boot.img" root=/dev/ubda ro mem=128M con=null \
        con0=fd:0,fd:1 init=/bin/sh
    fccompose umount -q
    fccompose freeze -q --virtual --free 8M --rw overlay
    boot_machine '[ -s /kept ] || echo kept >/kept; sync && echo prompt-$((40+2))' prompt-42 60 "$ROOT/tools/uml" "ubd0=$WORK/boot.img" \
        root=/dev/ubda rw mem=128M con=null con0=fd:0,fd:1 init=/bin/sh
    while ! fccompose umount -q; do sleep 0.1; done
    fccompose freeze -q --virtual --free 8M --rw overlay
    run e2fsck -fy "$DISK" # the machine was killed: its journal is to be replayed
    [ "$status" -le 1 ]
    [ "$(debugfs -R 'cat /kept' "$DISK" 2>/dev/null)" = kept ]
    fccompose umount -q
}
