#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# Random layers, judged by GNU tar, e2fsck and the kernel. FC_SEEDS="7 8" names other seeds; failures keep their folder then.
load ../lib/common
load ../lib/random

setup() {
    need_root
    need_fuse
    need_loop
    need python3 e2fsck
    enter_workdir
}
teardown() {
    [ -z "${WORK:-}" ] || { [ -n "${FC_SEEDS:-}" ] && [ -z "${BATS_TEST_COMPLETED:-}" ]; } || leave_workdir
}

@test "random layers: image, mount, export and workspace are what GNU tar makes of them" {
    local seed
    for seed in ${FC_SEEDS:-3 5 9 11 13}; do
        try_seed "$seed" || return 1
    done
}
