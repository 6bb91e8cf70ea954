#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# Random layers from seeds of the day, for FC_SOAK_SECONDS (default 300). A failure names its seed and how to repeat it.
load ../lib/common
load ../lib/random

setup() {
    need_root
    need_fuse
    need_loop
    need python3 e2fsck
    enter_workdir
}
teardown() { [ -z "${WORK:-}" ] || leave_workdir; }

@test "soak: random layers until the time is over" {
    local end=$((SECONDS + ${FC_SOAK_SECONDS:-300})) seed=${FC_SOAK_FIRST:-$((RANDOM * 32768 + RANDOM))} n=0
    while [ $SECONDS -lt $end ]; do
        try_seed "$seed" || return 1
        rm -rf "$FCCOMPOSE_CACHE"
        seed=$((seed + 1)) n=$((n + 1))
    done
    echo "# $n seeds up to $((seed - 1))" >&3
}
