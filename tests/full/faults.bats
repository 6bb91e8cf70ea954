#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# The faults of the ordinary cases with seeds of the day and for longer: kills, a full XFS, power that fails in thousands of moments.
load ../lib/common
load ../lib/full_disk

setup() { enter_workdir; }
teardown() { leave_workdir; }

CASES=$ROOT/tests/cases

@test "faults: 25 kills of every command that writes" {
    local seed=${FC_KILL_SEED:-$RANDOM}
    echo "FC_KILL_SEED=$seed"
    FC_KILL_SEED=$seed FC_KILL_ROUNDS=25 bats "$CASES/kills.bats"
}

@test "faults: 100 kills of a mount under load" {
    need_root
    need_fuse
    FC_CRASH_ROUNDS=100 bats "$CASES/crash.bats"
}

@test "faults: a full XFS" {
    need_root
    need_fuse
    need_loop
    SEED=$RANDOM
    echo "SEED=$SEED"
    on_disk 300M mkfs.xfs -q
    whole_afterwards
}

@test "faults: power fails at thousands of moments, several seeds" {
    local seed=${FC_POWER_SEED:-$RANDOM} i
    for i in 1 2 3 4; do
        echo "FC_POWER_SEED=$((seed + i))"
        FC_POWER_SEED=$((seed + i)) FC_POWER_STATES=1500 "$B/unit/test_live_power"
    done
}

@test "a full btrfs, where each store to a mapping of the database takes space" {
    on_disk 128M mkfs.btrfs -q
    whole_afterwards
}
