#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# Random layers, judged by GNU tar, e2fsck and the kernel. FC_SEEDS="7 8" names other seeds, FC_LIMITS="7 8" (FC_HEAVY=--heavy)
# others of the trees at limits; failures keep their folder then.
load ../lib/common
load ../lib/random
load ../lib/boundary

setup() {
    need_root
    need_fuse
    need_loop
    need python3 e2fsck
    enter_workdir
}
teardown() {
    [ -z "${WORK:-}" ] || { [ -n "${FC_SEEDS:-}${FC_LIMITS:-}" ] && [ -z "${BATS_TEST_COMPLETED:-}" ]; } || leave_workdir
}

@test "random layers: image, mount, export and workspace are what GNU tar makes of them" {
    local seed
    for seed in ${FC_SEEDS:-3 11}; do
        try_seed "$seed" || return 1
    done
}

@test "trees at the limits of ext4: images are what was said, by e2fsck, debugfs and the kernel" {
    local seed
    for seed in ${FC_LIMITS:-14}; do
        try_boundary "$seed" ${FC_HEAVY:-} || return 1
    done
}
