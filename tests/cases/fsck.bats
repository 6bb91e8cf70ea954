#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# fccompose fsck: clean, damaged and repaired, mounted, killed, without its layers. The kinds of damage are unit tests.
load ../lib/common
bats_require_minimum_version 1.5.0

setup() {
    need sqlite3
    enter_workdir
}
teardown() { leave_workdir; }

DB=.fccompose/workspace.db

# A workspace with edits.
make_workspace() {
    seq 1 3000 >big
    fccompose init -q builtin:busybox
    fccompose mkdir /srv
    fccompose cp big /srv/one
    fccompose cp big /etc/two
    fccompose mkdir /srv/deep
    fccompose cp big /srv/deep/three
    fccompose chmod 600 /etc/passwd
    fccompose rm /etc/fstab
    fccompose mv /root /moved
}

# Every file of the tree with its digest, from the image that the edits give, by debugfs: describe OUT
describe() {
    fccompose freeze -q described.ext4
    fsck_clean described.ext4
    rm -rf dump && mkdir dump
    debugfs -R 'rdump / dump' described.ext4 2>/dev/null
    (cd dump && find . -type f ! -path './lost+found/*' -exec sha256sum {} +) | sort -k 2 >"$1"
    rm -rf dump described.ext4
}

damage() { sqlite3 "$DB" "$1"; }

@test "fsck: a whole workspace" {
    make_workspace
    run -0 fccompose fsck -q
    [ "$output" = "$PWD: no errors" ]
    run -0 bash -c 'cd / && fccompose fsck -q --json "$1" | jq -e ".errors == 0 and (.found | length) == 0"' _ "$PWD"
    run -2 fccompose fsck -n -y
    run -1 fccompose fsck /nowhere
    run ! compgen -G "$DB.before-fsck-*"
}

@test "fsck: damage is named, --repair mends it and keeps a copy, everything else is as it was" {
    make_workspace
    describe before
    damage "DELETE FROM dentry WHERE name = CAST('three' AS BLOB); UPDATE inode SET mtime_ns = -1 WHERE ino = 1;
            UPDATE extent SET source_offset = (SELECT min(source_offset) FROM extent)"
    run -1 fccompose ls -q /
    [[ $output == *"fccompose fsck"* ]]
    cp "$DB" damaged.db
    run -1 fccompose fsck -q
    [[ $output == *"error: /etc/two: "*"same place in data/0"*"repair: gives it a copy"* ]]
    [[ $output == *"error: /lost+found/#"*"no name leads to this object"* ]]
    [[ $output == *"errors"*"fccompose fsck --repair"* ]]
    sqlite3 "$DB" .dump | cmp - <(sqlite3 damaged.db .dump) # nothing was changed
    run -0 fccompose fsck -q --repair
    [[ $output == *"repaired: /etc/two: "* && $output == *"$PWD: repaired; checked again, no errors"* ]]
    sqlite3 "$DB".before-fsck-* .dump | cmp - <(sqlite3 damaged.db .dump)
    run -0 fccompose fsck -q
    describe after
    # Of two files that share their place both show what is there, and /srv/deep/three, which shared it too, is found again.
    diff <(grep -v three before) <(grep -v three after)
    fccompose cat "/lost+found/$(fccompose ls -q /lost+found | head -n 1 | tr -d '\n')" | cmp - big
}

@test "fsck: a database without its first page loses nothing" {
    make_workspace
    describe before
    dd if=/dev/zero of="$DB" bs=4096 count=1 conv=notrunc status=none
    run -1 fccompose status
    [[ $output == *"fccompose fsck"* ]]
    run -0 fccompose fsck -q --repair
    describe after
    cmp before after
    [ "$(sqlite3 "$DB" 'PRAGMA integrity_check')" = ok ]
}

@test "fsck: a mounted workspace is checked, not repaired; a killed one is both" {
    need_root
    need_fuse
    make_workspace
    fccompose mount -q
    pid=$(fccompose status --json | jq .pid)
    (cd rootfs && for i in $(seq 1 300); do echo "$i" >"srv/f$i"; done) &
    for _ in 1 2 3 4; do
        run -0 fccompose fsck -q
        [[ $output == *"It is mounted"* ]]
    done
    wait
    run -1 fccompose fsck -y
    [[ $output == *"is mounted at $PWD/rootfs (process $pid)"*"fccompose umount"* ]]
    sync -f rootfs/srv
    kill -KILL "$pid"
    fccompose umount -q
    run -0 fccompose fsck
    [[ $output == *"note: control.sock"* ]]
    run -0 fccompose fsck --repair
    [ ! -e .fccompose/control.sock ]
    run -0 fccompose fsck -q
    [ "$output" = "$PWD: no errors" ]
    [ "$(fccompose cat /srv/f300)" = 300 ]
}

@test "fsck: layers that are not there, or not whole" {
    make_workspace
    index=$(ls "$FCCOMPOSE_CACHE"/layers/*/index)
    pack=${index%index}pack
    printf 'x' | dd of="$pack" bs=1 seek=5000 conv=notrunc status=none
    run -0 fccompose fsck -q
    run -1 fccompose fsck -q --data
    [[ $output == *"layer-damaged"*"fccompose pull"* || $output == *"fccompose pull"*"layer-damaged"* ]]
    rm -r "${index%/index}"
    damage "UPDATE inode SET uid = -1 WHERE ino = 1"
    cp "$DB" damaged.db
    run -1 fccompose fsck --repair
    [[ $output == *"is not in the cache"*"fccompose pull"* ]]
    sqlite3 "$DB" .dump | cmp - <(sqlite3 damaged.db .dump) # without the layers nothing is touched
    fccompose pull -q
    run -0 fccompose fsck --repair
    run -0 fccompose fsck --data
}

@test "fsck: a data file cut short" {
    make_workspace
    describe before
    size=$(sqlite3 "$DB" 'SELECT max(source_offset) FROM extent WHERE source = 0')
    truncate -s "$size" .fccompose/data/0
    run -1 fccompose cat /srv/deep/three # never zeros in silence
    run -1 fccompose fsck -q
    [[ $output == *"error: /srv/deep/three: bytes 0 to $(stat -c %s big) of it are lost"* ]]
    run -0 fccompose fsck --repair
    describe after
    diff <(grep -v three before) <(grep -v three after)
    cmp <(fccompose cat /srv/deep/three) <(head -c "$(stat -c %s big)" /dev/zero)
}

@test "fsck: a full disk, and a repair that is killed, change nothing or all" {
    need_root
    local i failed=0 worked=0
    mkdir small
    mount -t tmpfs -o size=12m none small
    cd small
    make_workspace
    fccompose chmod -q -R 700 /
    damage "DELETE FROM dentry WHERE name = CAST('three' AS BLOB)"
    cp "$DB" ../damaged.db
    for i in 20 50 80 110 140 170; do
        cp ../damaged.db "$DB"
        dd if=/dev/zero of=fill bs=4k status=none 2>/dev/null || true
        truncate -s "-${i}K" fill
        if fccompose fsck -q --repair >../out 2>&1; then
            worked=1
        else
            failed=1
            grep -qE 'disk is full|No space left' ../out
            run ! compgen -G "$DB.before-fsck-*"
            rm fill
            sqlite3 "$DB" .dump | cmp - <(sqlite3 ../damaged.db .dump)
        fi
        rm -f fill "$DB".before-fsck-* "$DB"-*
    done
    [ "$failed$worked" = 11 ]
    cp ../damaged.db "$DB"
    for i in 1 2 3 4 5 6; do
        timeout -s KILL "0.0$i" fccompose fsck -q --repair || true
        [ "$(sqlite3 "$DB" 'PRAGMA integrity_check')" = ok ]
    done
    run -0 fccompose fsck -q --repair
    run -0 fccompose fsck -q
    [ "$output" = "$PWD: no errors" ]
    fccompose cat "/lost+found/$(fccompose ls -q /lost+found | head -n 1 | tr -d '\n')" | cmp - big
}
