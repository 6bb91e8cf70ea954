#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# Layers that vanish or are damaged under a mount, full and failing disks, limits: an error for who asked, and all goes on.
load ../lib/common

setup() { enter_workdir; }
teardown() { leave_workdir; }

# A workspace of one layer: DIR/small (in the inode's first block), DIR/large (3 MB), DIR/many/ (3000 names).
make_layer() {
    mkdir -p tree/d/many
    head -c 100 /dev/urandom >tree/d/small
    head -c 3000000 /dev/urandom >tree/d/large
    (cd tree/d/many && seq 3000 | xargs touch)
    tar -C tree -cf layer.tar d
    fccompose init -q layer.tar
    layer=$(echo "$FCCOMPOSE_CACHE"/layers/[0-9a-f]*)
    # Cached pages would hide what happened to the file.
    chmod u+w "$layer"/*
}
mount_pid() { fccompose --json status | python3 -c 'import json,sys; print(json.load(sys.stdin)["pid"])'; }

@test "an index cut short, emptied or overwritten under a mount changes nothing in it" {
    need_root
    need_fuse
    make_layer
    cp "$layer/index" index.good
    for how in 'truncate -s 1000' 'truncate -s 0' 'dd if=/dev/urandom bs=1000 count=100 conv=notrunc status=none of='; do
        fccompose mount -q
        pid=$(mount_pid)
        case $how in dd*) $how"$layer/index" ;; *) $how "$layer/index" ;; esac
        echo 3 >/proc/sys/vm/drop_caches
        [ "$(find rootfs/d/many -type f | wc -l)" -eq 3000 ]
        cmp rootfs/d/large tree/d/large
        echo more >>rootfs/d/small
        kill -0 "$pid"
        # Another process reads it anew, and says what to do.
        run fccompose ls d
        [ "$status" -eq 1 ]
        [[ $output == *"$layer/index"* && $output == *"fccompose pull"* ]]
        cp index.good "$layer/index"
        fccompose umount -q
        fccompose reset -q
    done
}

@test "a pack cut short under a mount: EIO for what is gone, the rest goes on, the log names the file" {
    need_root
    need_fuse
    make_layer
    fccompose mount -q
    cp "$layer/pack" pack.good
    truncate -s 1M "$layer/pack"
    echo 3 >/proc/sys/vm/drop_caches
    head -c 500000 tree/d/large | cmp - <(head -c 500000 rootfs/d/large)
    run cat rootfs/d/large
    [ "$status" -eq 1 ]
    [[ $output == *"Input/output error"* ]]
    # A change of a block whose other half cannot be read: EIO, and nothing has changed.
    run dd if=/dev/zero of=rootfs/d/large bs=1 count=1 seek=2000000 conv=notrunc
    [ "$status" -eq 1 ]
    grep -q "$layer/pack.*cut short.*cache verify" .fccompose/mount.log
    # A whole block needs nothing from below.
    dd if=/dev/zero of=rootfs/d/large bs=4096 count=1 seek=500 conv=notrunc status=none
    [ "$(find rootfs -type f | wc -l)" -ge 3002 ]
    for out in "freeze -q out.ext4" "export -q out.tar" "cat d/large"; do
        # shellcheck disable=SC2086
        run fccompose $out
        [ "$status" -eq 1 ]
        [[ $output == *"$layer/pack"* ]]
    done
    run cat .fccompose/disk/disk.ext4
    [ "$status" -eq 1 ]
    cp pack.good "$layer/pack"
    cp tree/d/large want
    dd if=/dev/zero of=want bs=4096 count=1 seek=500 conv=notrunc status=none
    echo 3 >/proc/sys/vm/drop_caches
    cmp rootfs/d/large want
    fccompose umount
    fccompose freeze -q out.ext4
    fsck_clean out.ext4
}

@test "a cache that is removed under a mount: the mount goes on; what opens anew says how to get the layer back" {
    need_root
    need_fuse
    make_layer
    fccompose mount -q
    exec 5<rootfs/d/small
    mv "$FCCOMPOSE_CACHE" gone
    rm -rf gone
    echo 3 >/proc/sys/vm/drop_caches
    cmp - tree/d/small <&5
    exec 5<&-
    cmp rootfs/d/large tree/d/large
    echo new >rootfs/d/new
    fccompose umount
    run fccompose mount
    [ "$status" -eq 1 ]
    [[ $output == *"not in the cache"*"layer.tar"*"fccompose pull"* ]]
    fccompose pull -q
    fccompose mount -q
    cmp rootfs/d/large tree/d/large
    [ "$(cat rootfs/d/new)" = new ]
    fccompose umount
}

@test "an index damaged before it is opened, anywhere: an error, never a crash" {
    make_layer
    cp "$layer/index" index.good
    size=$(stat -c %s index.good)
    for at in 8 100 215 216 5000 50000 $((size - 3)); do
        cp index.good "$layer/index"
        truncate -s "$at" "$layer/index"
        run fccompose ls d
        [ "$status" -eq 1 ]
        [[ $output == *"$layer/index"* ]]
    done
    # And made as long as no memory is.
    cp index.good "$layer/index"
    truncate -s 1T "$layer/index"
    run fccompose ls d
    [ "$status" -eq 1 ]
    [[ $output == *"$layer/index"* ]]
}

@test "few descriptors: a mount takes what the hard limit gives it" {
    need_root
    need_fuse
    fccompose init -q builtin:busybox
    # A low soft limit is nothing: many clients at once, and umount.
    (ulimit -S -n 24 && fccompose mount -q)
    python3 - <<'PY'
import socket
held = []
for _ in range(40):
    s = socket.socket(socket.AF_UNIX)
    s.connect(".fccompose/control.sock")
    held.append(s)
PY
    echo kept >rootfs/kept
    fccompose umount -q
    fccompose mount -q
    [ "$(cat rootfs/kept)" = kept ]
    fccompose umount -q
}

@test "a disk whose syncs fail: fsync says so, each file once, and umount tells what nobody asked for" {
    need_root
    need_fuse
    need gcc
    gcc -shared -fPIC -D_GNU_SOURCE -O1 -o nosync.so "$LIB/nosync.c"
    fccompose init -q builtin:busybox
    NOSYNC=$WORK/fail LD_PRELOAD=$WORK/nosync.so fccompose mount -q
    pid=$(mount_pid)
    echo one >rootfs/one
    echo two >rootfs/two
    echo three >rootfs/three
    touch fail
    run sync rootfs/one
    [[ $output == *"Input/output error"* ]]
    rm fail
    run sync rootfs/two
    [[ $output == *"Input/output error"* ]]
    sync rootfs/one
    sync rootfs/two
    kill -0 "$pid"
    grep -q "cannot sync the contents of edits" .fccompose/mount.log
    run fccompose umount
    [ "$status" -eq 1 ]
    [[ $output == *"earlier sync failed"* ]]
    fccompose mount -q
    [ "$(cat rootfs/one rootfs/two rootfs/three)" = $'one\ntwo\nthree' ]
    fccompose umount -q
}

@test "a mount whose memory is limited: ENOMEM for what does not fit, and it goes on when there is more" {
    need_root
    need_fuse
    need prlimit
    fccompose init -q builtin:busybox
    fccompose mount -q
    pid=$(mount_pid)
    prlimit --pid "$pid" --data="$(awk '/VmData/ { print $2 * 1024 + 4000000 }' "/proc/$pid/status"):"
    python3 - <<'PY'
import errno, os
made = refused = 0
while refused < 50 and made < 40000:
    try:
        os.close(os.open("rootfs/" + "n" * 200 + str(made + refused), os.O_CREAT | os.O_WRONLY))
        made += 1
    except OSError as e:
        if e.errno not in (errno.ENOMEM, errno.ENOBUFS):
            raise
        refused += 1
assert refused, "memory was enough"
open("made", "w").write(str(made))
PY
    kill -0 "$pid"
    prlimit --pid "$pid" --data=unlimited:
    [ "$(find rootfs -xdev -name 'nnn*' | wc -l)" -eq "$(cat made)" ]
    echo more >rootfs/more
    sync rootfs/more
    fccompose umount -q
    [ "$(fccompose fsck -q)" = "$PWD: no errors" ]
    [ "$(fccompose ls -q / | grep -c nnn)" -eq "$(cat made)" ]
}
