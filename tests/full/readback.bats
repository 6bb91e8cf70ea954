#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Images read back, for minutes: many seeds through tar and back with every way to freeze, many flipped bytes.
# FC_SEEDS="7 8" names other seeds, FC_TEST_FLIPS another number of rounds.
load ../lib/common

setup() {
    need_root
    need e2fsck mke2fs debugfs python3
    enter_workdir
}
teardown() { leave_workdir; }

# The image with OPTIONS of the tar whole.tar gives that tar again, and so does what it is frozen to. round_trip OPTIONS
round_trip() {
    # shellcheck disable=SC2086
    fccompose freeze -q -l whole.tar $1 one.ext4 && fsck_clean one.ext4 || return 1
    fccompose export -q -i one.ext4 - | cmp - whole.tar || return 1
    # shellcheck disable=SC2086
    fccompose freeze -q -i one.ext4 $1 two.ext4 && fsck_clean two.ext4 || return 1
    fccompose export -q -i two.ext4 - | cmp - whole.tar
}

@test "random trees: image, tar and image again are one tree" {
    local seed l layers options
    for seed in ${FC_SEEDS:-$(seq 100 139)}; do
        rm -rf layers && "$LIB/random-tree" "$seed" layers
        layers=()
        for l in layers/*.tar; do layers+=(-l "$l"); done
        fccompose export -q "${layers[@]}" whole.tar
        for options in "" "--inline-data" "--inline-data --inode-size 1024" "--read-only" "--profile 5.10 --no-journal"; do
            round_trip "$options" || { echo "seed $seed, freeze $options"; return 1; }
        done
    done
}

@test "flipped bytes: refused or read, never worse" {
    FC_TEST_FLIPS=${FC_TEST_FLIPS:-50000} "$B/unit/test_ext4_read_hostile"
}
