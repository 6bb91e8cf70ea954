# SPDX-License-Identifier: Apache-2.0
# One seed of the random trees, start to end: shared by tests/cases/random.bats and tests/full/soak.bats.
# shellcheck shell=bash

# Everything is compared with GNU tar's extraction of the layers: an image, a mount, an export, a workspace. Leaves its
# folder $WORK/seed-SEED behind on failure only. check_seed SEED
check_seed() {
    local seed=$1 dir=$WORK/seed-$1 layers=() l
    mkdir -p "$dir"
    cd "$dir" || return 1
    "$LIB/random-tree" "$seed" layers || return 1
    for l in layers/*.tar; do layers+=(-l "$l"); done
    "$LIB/apply-layers" oracle layers/*.tar 2>oracle.log || { grep -av 'time stamp\|Removing leading\|contiguous' oracle.log; return 1; }
    manifest oracle --skip lost+found >oracle.txt || return 1
    rm -rf oracle
    check_image "$seed" "${layers[@]}" && check_mount "${layers[@]}" && check_export "${layers[@]}" && check_workspace "$seed" || return 1
    cd "$WORK" || return 1
    rm -rf "$dir"
}

# The same for callers that want one line: which seed failed, and how to repeat it.
try_seed() {
    check_seed "$1" && return 0
    echo "seed $1 failed in $PWD; repeat it with: FC_SEEDS=$1 B=$B bats tests/cases/random.bats"
    return 1
}

# Where a comparison failed.
say() { echo "$*"; return 1; }

frozen_equals() { # IMAGE MANIFEST
    fsck_clean "$1" || say "e2fsck: $1" || return 1
    image_manifest "$1" "$1.txt" || return 1
    same_manifest "$2" "$1.txt" || say "the image $1 is not $2"
}

# With options drawn at random: check_image SEED -l LAYER...
check_image() {
    local options profiles=(5.10 6.1 6.18)
    mapfile -d '' options < <("$LIB/freeze_options.py" "$1")
    shift
    fccompose freeze -q --no-sync "${options[@]}" "$@" one.ext4 || say "freeze ${options[*]@Q}" || return 1
    frozen_equals one.ext4 oracle.txt || say "freeze ${options[*]@Q}" || return 1
    fccompose freeze -q "$@" --inline-data --inode-size $((256 << seed % 3)) --profile "${profiles[seed % 3]}" --compact small.ext4 || return 1
    frozen_equals small.ext4 oracle.txt || return 1
    fccompose freeze -q "$@" --profile compat --read-only old.ext4 || return 1
    frozen_equals old.ext4 oracle.txt
}

check_mount() {
    mkdir -p live
    fccompose mount -q "$@" live || return 1
    manifest live --skip lost+found >live.txt
    fccompose umount -q live || return 1
    same_manifest oracle.txt live.txt || say "the mount is not the tree"
}

check_export() {
    fccompose export -q "$@" whole.tar || return 1
    mkdir exported
    tar -C exported --numeric-owner --same-owner -p --xattrs --xattrs-include='*' --acls -xf whole.tar 2>export.log || { cat export.log; return 1; }
    manifest exported --skip lost+found >exported.txt
    rm -rf exported
    same_manifest oracle.txt exported.txt || say "the exported tar is not the tree" || return 1
    fccompose freeze -q -l whole.tar two.ext4 || return 1
    frozen_equals two.ext4 oracle.txt
}

# Sockets are in images; tars have no form for them: commit refuses, export leaves them out with a word.
without_sockets() {
    grep -q ' s ' <(cut -d' ' -f1-3 before.txt) || return 0
    fccompose mount -q || return 1
    find rootfs -type s -delete
    manifest rootfs --skip lost+found >before.txt
    fccompose umount -q
}

# Edits by verbs, then in a mount; what the mount shows is what is frozen, committed and exported.
check_workspace() {
    mkdir workspace
    (
        cd workspace || exit 1
        fccompose init -q ../layers/*.tar || exit 1
        fccompose freeze -q --no-sync again.ext4 || exit 1
        cp --sparse=always again.ext4 unedited.ext4
        "$LIB/random-edits" verbs "$1" || exit 1
        fccompose mount -q || exit 1
        "$LIB/random-edits" mount "$1" rootfs || exit 1
        manifest rootfs --skip lost+found >before.txt
        fccompose diff >diff.txt || exit 1
        fccompose freeze -q mounted.ext4 || exit 1
        fccompose umount -q || exit 1
        frozen_equals mounted.ext4 before.txt || exit 1
        fccompose freeze -q unmounted.ext4 || exit 1
        cmp mounted.ext4 unmounted.ext4 || exit 1
        fccompose freeze -q --no-sync again.ext4 || exit 1
        cmp again.ext4 mounted.ext4 || say "a freeze over an image of the unedited tree differs from a fresh one" || exit 1
        echo "seed $1: $("$LIB/shared-blocks" unedited.ext4 mounted.ext4) after $(grep -c . diff.txt) changes"
        fccompose diff | cmp - diff.txt || exit 1
        without_sockets || exit 1
        fccompose commit -q edits || exit 1
        [ -z "$(fccompose diff)" ] || say "commit left edits" || exit 1
        fccompose mount -q || exit 1
        manifest rootfs --skip lost+found >after.txt
        fccompose umount -q || exit 1
        same_manifest before.txt after.txt || say "commit changed the tree" || exit 1
        fccompose freeze -q committed.ext4 || exit 1
        frozen_equals committed.ext4 before.txt || exit 1
        fccompose export -q whole.tar || exit 1
        fccompose freeze -q -l whole.tar exported.ext4 || exit 1
        frozen_equals exported.ext4 before.txt
    )
}
