#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# Layers that mean harm or are only large: a clear error or the safe meaning, soon, and nothing half-built in the cache.
load ../lib/common

setup_file() {
    can need_python || return 0
    enter_workdir
    export WORK
    "$LIB/hostile-layers" h
}
teardown_file() { [ -z "${WORK:-}" ] || leave_workdir; }
need_python() { need python3; }
setup() {
    need_python
    cd "$WORK" || return 1
    FCCOMPOSE_CACHE=$WORK/cache-$BATS_TEST_NUMBER
}

# freeze_soon LAYER...: status and words, within 10 seconds; nothing half-built stays.
freeze_soon() {
    local args=() l
    for l in "$@"; do args+=(-l "$l"); done
    rm -f out.ext4
    run timeout 10 fccompose freeze -q "${args[@]}" out.ext4
    [ "$status" -le 1 ] || { echo "$*: status $status: $output"; return 1; }
    [ -z "$(find "$FCCOMPOSE_CACHE" -name '*.tmp*' -o -name '.tmp*')" ] || { echo "$*: left in the cache"; return 1; }
    [ "$status" -eq 0 ] || { [ ! -e out.ext4 ] && [ -n "$output" ]; }
}
works() {
    freeze_soon "$@" || return 1
    [ "$status" -eq 0 ] || { echo "$*: $output"; return 1; }
    fsck_clean out.ext4
}
fails() { # WORDS LAYER...
    local words=$1
    shift
    freeze_soon "$@" || return 1
    if [ "$status" -ne 1 ] || [[ $output != *"$words"* ]]; then
        echo "$*: $status: $output"
        return 1
    fi
}

@test "what cannot be meant is refused with words, and leaves nothing" {
    fails 'h/bad-whiteout-root.tar: entry ".wh." at offset 1024: a whiteout that names nothing' h/bad-whiteout-root.tar
    fails 'a whiteout that names nothing' h/bad-whiteout-dot.tar
    fails 'a whiteout that names nothing' h/bad-whiteout-dotdot.tar
    fails 'lies below a whiteout' h/bad-below-whiteout.tar
    fails 'hard link to the root' h/bad-link-to-root.tar
    fails 'hard link to the root' h/bad-link-to-slash.tar
    fails 'link without a target' h/bad-link-to-nothing.tar
    fails 'a hard link to itself' h/bad-link-to-itself.tar
    fails 'a circle of hard links' h/bad-link-circle.tar
    fails 'entry without a name' h/bad-empty-name.tar
    fails 'the root of the tree must be a directory' h/bad-root-symlink.tar
    local l
    for l in loop chain growth itself-long; do fails 'too many symlinks' h/bad-symlink-$l.tar; done
    fails 'is a hard link to a path that neither this layer nor one below has' h/bad-link-chain-backwards.tar
    fails 'is a hard link to a path that neither this layer nor one below has' h/pair-links-1.tar h/pair-links-2.tar
    fails 'too many symlinks' h/pair-chain-1.tar h/pair-chain-2.tar
    : >empty.tar
    fails 'there are no bytes in it' empty.tar
}

@test "what is odd but means something works" {
    local l
    for l in h/good-*.tar h/none.tar; do works "$l"; done
    works h/base.tar h/base.tar
    works h/base.tar h/good-opaque-root.tar
    [ "$(debugfs -R 'ls -p /' out.ext4 2>/dev/null | grep -c '/a/')" -eq 0 ]
    head -c 10240 /dev/zero >zeros.tar
    works zeros.tar
}

@test "200,000 names in one directory; 100,000 whiteouts over them" {
    works h/many-names.tar h/many-whiteouts.tar
    [ "$(debugfs -R 'ls -p /d' out.ext4 2>/dev/null | grep -c '/n')" -eq 100000 ]
    [ "$(debugfs -R 'stat /d/n000000' out.ext4 2>/dev/null | grep -c Inode:)" -eq 0 ]
    debugfs -R 'stat /d/n199999' out.ext4 2>/dev/null | grep -q Inode:
}

@test "no layer at all: the workspace freezes to an empty tree" {
    mkdir -p void && cd void
    fccompose init -q
    fccompose freeze -q out.ext4
    fsck_clean out.ext4
    fccompose write /file text
    fccompose freeze -q out.ext4
    [ "$(debugfs -R 'cat /file' out.ext4 2>/dev/null)" = text ]
}

@test "a file with 5 GiB of hole is imported and frozen without them" {
    truncate -s 5G sparse
    echo end >>sparse
    tar -S -cf sparse.tar sparse
    rm sparse
    works sparse.tar
    [ "$(du -k out.ext4 | cut -f 1)" -lt 10240 ]
    [ "$(du -k "$FCCOMPOSE_CACHE" | cut -f 1 | tail -n 1)" -lt 1024 ]
    debugfs -R 'stat /sparse' out.ext4 2>/dev/null | grep -q 'Size: 5368709124'
}

@test "an export to a device or FIFO goes into it, and does not replace it" {
    need_root
    mknod node c 1 3
    mknod full c 1 7
    mkfifo pipe
    fccompose export -q -l h/base.tar node
    [ -c node ]
    run fccompose export -q -l h/base.tar full
    [ "$status" -eq 1 ]
    [[ $output == *"No space left"* ]]
    [ -c full ]
    cat pipe >from-pipe &
    fccompose export -q -l h/base.tar pipe
    wait $!
    [ -p pipe ]
    fccompose export -q -l h/base.tar - | cmp - from-pipe
}

@test "notes and layers of the cache that are damaged are made again" {
    fccompose export -q -l h/base.tar first.tar
    local note layer
    note=$(echo "$FCCOMPOSE_CACHE"/layers/.sources/*)
    layer=$(echo "$FCCOMPOSE_CACHE"/layers/[0-9a-f]*)
    again() {
        timeout 10 fccompose export -q -l h/base.tar again.tar && cmp first.tar again.tar
    }
    : >"$note" && again
    rm "$note" && mkfifo "$note" && again
    rm -f "$note" && ln -s "$note" "$note" && again
    : >"$layer/index" && again
    rm "$layer/index" && mkfifo "$layer/index" && again
    rm "$layer/pack" && again
}

@test "a tar cut anywhere is refused, and leaves nothing" {
    local at size
    "$LIB/random-tree" 19 cut
    size=$(stat -c %s cut/1.tar)
    for ((at = 1; at < size - 1024; at += size / 60 + 1)); do
        head -c $at cut/1.tar >part.tar
        freeze_soon part.tar
        [ "$status" -eq 1 ] || [ $((at % 512)) -eq 0 ] || { echo "cut at $at of $size was taken"; return 1; }
        rm -rf "$FCCOMPOSE_CACHE"
    done
}
