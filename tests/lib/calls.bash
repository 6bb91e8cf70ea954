# SPDX-License-Identifier: Apache-2.0
# One seed of the same random system calls in a mount and on the kernel's ext4: for tests/cases/random_calls.bats and tests/soak.
# shellcheck shell=bash

need_calls() {
    need_root
    need_fuse
    need_loop
    need mkfs.ext4
    [ -x "$B/tests/same-calls" ] || skip "make unit builds $B/tests/same-calls"
}

# The judge's file system, at $WORK/judge: small files in it, but holes of terabytes.
mount_judge() {
    truncate -s 4G "$WORK/judge.img"
    mkfs.ext4 -q -O ^has_journal -N 200000 "$WORK/judge.img" || return 1
    mkdir -p "$WORK/judge"
    mount -o loop "$WORK/judge.img" "$WORK/judge"
}

# A lower layer that GNU tar extracts for the judge: in $1, out of calls that are made on the judge alone (twice).
make_lower() { # FOLDER SEED PROCS THREADS
    mkdir -p "$1/a" "$1/b"
    "$B/tests/same-calls" --seed "$2" --ops 300 --procs "$3" --threads "$4" "$1/a" "$1/b" || return 1
    # Tars have no sockets, and names of whiteouts are no names there.
    find "$1/a" -depth \( -name '.wh.*' -o -type s \) -exec rm -rf {} +
    find "$1/a" -exec touch -h -d @1000000000 {} +
    tar -C "$1/a" --format=posix --xattrs --xattrs-include='*' --acls --sparse -cf lower.tar . || return 1
    mkdir "$1/right"
    tar -C "$1/right" --numeric-owner --same-owner -p --xattrs --xattrs-include='*' --acls -xf lower.tar || return 1
    rm -rf "$1/a" "$1/b"
}

# What the mount shows is what the judge has, and so is the image that is frozen from it.
compare_trees() { # JUDGE
    manifest "$1" --no-holes >right.txt
    manifest workspace/rootfs --no-holes >left.txt
    same_manifest right.txt left.txt || { echo "the trees differ"; return 1; }
}

compare_image() {
    fccompose -C workspace freeze -q --no-sync ../out.ext4 || return 1
    fsck_clean out.ext4 || return 1
    mkdir -p mnt
    mount -o loop,ro out.ext4 mnt || return 1
    manifest mnt --no-holes --skip lost+found >image.txt
    umount mnt
    same_manifest right.txt image.txt || { echo "the image differs"; return 1; }
}

# Rounds of calls with an unmount between them; before the last the edits become a layer.
# check_calls SEED OPS PROCS THREADS ROUNDS, in a folder of its own with the judge at $WORK/judge
check_calls() {
    local seed=$1 ops=$2 procs=$3 threads=$4 rounds=$5 round right=$WORK/judge/$1/right
    make_lower "$WORK/judge/$1" "$seed" "$procs" "$threads" || return 1
    mkdir workspace
    fccompose -C workspace init -q "$PWD/lower.tar" || return 1
    for ((round = 0; round < rounds; round++)); do
        fccompose -C workspace mount -q || return 1
        "$B/tests/same-calls" --seed "$seed" --ops "$ops" --procs "$procs" --threads "$threads" --from $((round * ops + 1)) \
            workspace/rootfs "$right" || return 1
        [ $round -ne $((rounds - 2)) ] || find workspace/rootfs "$right" -type s -delete
        [ $round -ne $((rounds - 2)) ] || find workspace/rootfs "$right" -depth -name '.wh.*' -exec rm -rf {} +
        [ $round -ne $((rounds - 2)) ] || find workspace/rootfs "$right" -exec touch -h -d @1000000000 {} +
        compare_trees "$right" || return 1
        fccompose -C workspace umount -q || return 1
        compare_image || return 1
        [ $round -ne $((rounds - 2)) ] || fccompose -C workspace commit -q edits || return 1
    done
    rm -rf "${WORK:?}/judge/$1"
}

try_calls() {
    check_calls "$@" && return 0
    echo "seed $1 failed; repeat it with: tests/soak --seed $1 --kind calls (or FC_CALLS=\"$*\" bats tests/cases/random_calls.bats)"
    return 1
}
