#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# freeze after an edit, the image before there: only the changes are planned, or, where that will not do, everything; and the
# bytes are those of a fresh image in any case.
load ../lib/common

setup() {
    enter_workdir
    fccompose init -q builtin:busybox
    mkdir -p many/sub
    for i in $(seq 300); do echo "$i" >"many/file-with-a-name-of-some-length-$i"; done
    echo text >many/sub/file
    fccompose cp -q -r many /many
    fccompose commit -q many
    fccompose freeze -q --no-sync out.ext4
}
teardown() { leave_workdir; }

planned() { # HOW [OPTION...]: freeze, which plans the changes or the whole, and compare with a fresh image
    local how=$1 options=("${@:2}")
    fccompose --json freeze -q --no-sync "${options[@]}" out.ext4 >report
    fccompose --json freeze -q --no-sync --fresh "${options[@]}" fresh.ext4 >fresh
    cmp out.ext4 fresh.ext4
    python3 - "$how" <<'EOF'
import json, sys
a, b = json.load(open("report")), json.load(open("fresh"))
assert (a["planned"], b["planned"]) == (sys.argv[1], "whole"), (a["planned"], b["planned"])
for key in "size needed free_bytes inodes free_inodes groups journal_bytes data_bytes uuid".split():
    assert a[key] == b[key], (key, a[key], b[key])
EOF
}

@test "only the changes are planned: contents, attributes, names, links, moved and removed directories" {
    fccompose write -q /many/sub/file changed
    planned changes
    fsck_clean out.ext4
    planned changes
    fccompose chmod -q 0700 /many
    fccompose ln -q /many/file-with-a-name-of-some-length-7 /linked
    planned changes
    fccompose rm -q /many/file-with-a-name-of-some-length-7
    planned changes
    fccompose mv -q /many/sub /bin/sub
    fccompose write -q /bin/sub/new new
    planned changes
    head -c 3000000 /dev/urandom >big
    fccompose cp -q big /big
    planned changes
    fccompose mv -q /many /other
    planned changes
    fccompose rm -q -r /other
    planned changes
    fsck_clean out.ext4
    fccompose reset -q /big
    planned changes
    fccompose xattr set /bin/sub/new user.x value
    planned changes
    fccompose reset -q
    planned changes
    fsck_clean out.ext4
}

@test "a workspace that was edited before its first image: the changes alone from the second on" {
    rm -r .fccompose/frozen out.ext4
    fccompose write -q /many/sub/file changed
    planned whole
    fccompose write -q /many/sub/file "changed again"
    planned changes
    fccompose mount -q || skip "cannot mount"
    echo mounted >rootfs/many/sub/file
    rm rootfs/many/file-with-a-name-of-some-length-3
    planned changes
    fccompose umount -q
}

@test "other options, another stack: the whole is planned, then the changes" {
    planned whole --free 8M
    fccompose write -q /many/sub/file changed
    planned changes --free 8M
    planned whole --profile 6.18 --inode-size 512 --align 2M
    fccompose write -q /many/sub/file "changed again"
    planned changes --profile 6.18 --inode-size 512 --align 2M
    planned whole --profile compat --label other --inode-size 128
    fccompose rm -q /many/file-with-a-name-of-some-length-9
    planned changes --profile compat --label other --inode-size 128
    planned whole
    tar -cf more.tar many/sub
    fccompose layer add -q more.tar
    planned whole
    fccompose write -q /new text
    planned changes
    [ "$(find .fccompose/frozen -name 'base-*' | wc -l)" -eq 4 ] # of five
    planned whole --compact
    planned whole --inline-data
    planned whole --size 64M
}

@test "a saved plan that is damaged, another's, or may be written by others is not used, and made anew" {
    local how
    damage() { # HOW FILE
        case $1 in
            short) truncate -s 100 "$2" ;;
            empty) truncate -s 0 "$2" ;;
            cut) truncate -s -8 "$2" ;;
            table) printf X | dd of="$2" bs=1 seek=5000 conv=notrunc status=none ;;
            header) printf X | dd of="$2" bs=1 seek=100 conv=notrunc status=none ;;
            symlink) rm "$2" && ln -s /dev/zero "$2" ;;
            fifo) rm "$2" && mkfifo "$2" ;;
            writable) chmod 0666 "$2" ;;
        esac
    }
    for how in short empty cut table header symlink fifo writable; do
        fccompose write -q /many/sub/file "$how"
        damage "$how" .fccompose/frozen/base-*
        planned whole
        fccompose write -q /many/sub/file "after $how"
        planned changes
    done
    [ "$(id -u)" -eq 0 ] || return 0
    chown 12345 .fccompose/frozen/base-*
    fccompose write -q /many/sub/file owned
    planned whole
}

@test "an image that is not as we wrote it is planned and written whole" {
    fccompose write -q /many/sub/file changed
    printf X | dd of=out.ext4 bs=1 seek=100000 conv=notrunc status=none
    planned whole
    mv out.ext4 moved.ext4
    cp moved.ext4 out.ext4
    planned whole
    planned changes
    chmod 0666 .fccompose/frozen/[0-9a-f]*
    planned whole
}

@test "what concerns more than the changes: blocks of attributes that inodes share, /lost+found, very many edits" {
    fccompose xattr set /many/sub/file user.large "$(head -c 2000 /dev/zero | tr '\0' v)"
    planned whole
    fccompose rm -q /many/sub/file
    planned whole # the image before says nothing about what it shares
    fccompose write -q /many/sub/file text
    planned changes
    fccompose mkdir -q /lost+found
    planned whole
    fccompose reset -q
    for i in $(seq 1200); do echo "$i" >"many/more-$i"; done
    fccompose cp -q -r many /more
    planned whole
    fccompose reset -q
    planned whole
    planned changes
}

@test "random edits, images over images" {
    local seed round
    for seed in 27 37 47; do
        mkdir "$seed" && cd "$seed"
        "$LIB/random-tree" "$seed" layers
        fccompose init -q layers/*.tar
        fccompose freeze -q --no-sync out.ext4
        for round in 1 2; do
            rm -rf host
            "$LIB/random-edits" verbs $((seed * 10 + round))
            fccompose freeze -q --no-sync out.ext4
            fccompose freeze -q --no-sync --fresh fresh.ext4
            cmp out.ext4 fresh.ext4 || { echo "seed $seed, round $round"; false; }
        done
        cd ..
    done
}

# Freeze, stopped in its COUNTth CALL; sets TRACER and, unless it ended before that, STOPPED, the process.
freeze_stopped() { # CALL COUNT
    : >trace
    strace -qq -o trace -e "trace=$1" -e "inject=$1:signal=SIGSTOP:when=$2" fccompose freeze -q --no-sync out.ext4 >words 2>&1 3>&- &
    TRACER=$!
    STOPPED=
    while kill -0 "$TRACER" 2>/dev/null; do
        if grep -q 'stopped by SIGSTOP' trace; then
            STOPPED=$(pgrep -P "$TRACER")
            return
        fi
        sleep 0.01
    done
}

@test "an image that is written to while the next one is made over it: the new one is right, or words say that there is none" {
    need strace pgrep
    strace -qq -o /dev/null true 2>/dev/null || skip "ptrace is refused here"
    local at right=0 refused=0
    for at in "pread64 4" "ftruncate 1" "ftruncate 2" "pwritev 1" "pwritev 2" "pwritev 3" "pwritev 5" "pwritev 8"; do
        fccompose freeze -q --no-sync --fresh out.ext4
        fccompose write -q /many/sub/file "change $at"
        # shellcheck disable=SC2086
        freeze_stopped $at
        if [ -n "$STOPPED" ]; then
            python3 - <<'PY'
import os
with open("out.ext4", "r+b") as f:
    for at in range(0, os.path.getsize("out.ext4"), 4096):
        f.seek(at)
        f.write(b"WRONG")
PY
            kill -CONT "$STOPPED"
        fi
        if wait "$TRACER"; then
            fccompose freeze -q --no-sync --fresh fresh.ext4
            cmp out.ext4 fresh.ext4
            [ -z "$STOPPED" ] || right=$((right + 1))
        else
            grep 'changed meanwhile' words
            refused=$((refused + 1))
        fi
    done
    echo "right $right, refused $refused"
    [ $((right + refused)) -ge 5 ]
}
