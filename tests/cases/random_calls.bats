#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# The same random system calls in a mount and on the kernel's ext4, by several processes of several threads: results, errnos,
# contents, and in the end trees and images are the same. FC_CALLS="SEED OPS PROCS THREADS ROUNDS" runs another one.
load ../lib/common
load ../lib/calls

setup() {
    need_calls
    enter_workdir
    mount_judge
}
teardown() { [ -z "${WORK:-}" ] || leave_workdir; }

@test "random calls: a mount answers as ext4 does, over remounts and a commit" {
    local now=$EPOCHSECONDS given
    read -ra given <<<"${FC_CALLS:-}"
    [ ${#given[@]} -eq 0 ] || { try_calls "${given[@]}"; return; }
    mkdir one two
    cd one
    try_calls 1 1500 2 2 3
    cd ../two
    echo "# seed of now: $now" >&3
    try_calls "$now" 1500 2 2 3
}
