#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# Random layers from seeds of the day, for FC_SOAK_SECONDS (default 300); a failure names its seed and how to repeat it (for hours:
# make soak). Then damaged input for FC_FUZZ_SECONDS (default 120), best with B of a build with ASAN=1 UBSAN=1; and what is only large.
load ../lib/common
load ../lib/random
load ../lib/boundary
load ../lib/calls

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
        try_boundary "$seed" || return 1
        rm -rf "$FCCOMPOSE_CACHE"
        seed=$((seed + 1)) n=$((n + 1))
    done
    echo "# $n seeds up to $((seed - 1))" >&3
}

@test "soak: millions of operations on the live tree, alone and with threads, are what the model says" {
    local seed=${FC_SOAK_FIRST:-$RANDOM} model=$B/unit/test_live_model
    "$model" --seed "$seed" --ops 400000 --times 5 --shrink
    "$model" --seed "$seed" --ops 60000 --threads 8 --times 4
}

@test "soak: random system calls in a mount answer as on ext4" {
    local seed=${FC_SOAK_FIRST:-$RANDOM}
    need_calls
    mount_judge
    try_calls "$seed" 20000 4 3 4
}

@test "soak: more than 65,000 links, as many directories, and terabytes of holes" {
    local seed
    for seed in 1 2 3 4 5 6; do try_boundary "$seed" --heavy || return 1; done
}

@test "soak: damaged tars and indexes are refused with words, and leave nothing" {
    local seed=${FC_SOAK_FIRST:-$RANDOM}
    mkdir fuzz
    "$LIB/random-tree" 19 small
    "$LIB/random-tree" 14 middle
    echo "seed $seed; the inputs of failures would be in fuzz/: repeat with tests/lib/fuzz-bytes $seed SECONDS FOLDER TAR..."
    "$LIB/fuzz-bytes" "$seed" "${FC_FUZZ_SECONDS:-120}" fuzz small/1.tar middle/1.tar
}

@test "soak: 300,000 small files in less than a minute and 600 MB" {
    "$LIB/hostile-layers" --stream small |
        python3 -c '
import resource, subprocess, sys, time
start = time.time()
subprocess.run(["fccompose", "freeze", "-q", "-l", "-", "out.ext4"], check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
print(f"{time.time() - start:.1f} s, {used} MB")
sys.exit(time.time() - start > 60 or used > 600)'
    fsck_clean out.ext4
}

@test "soak: 5 GiB of zeros from standard input, in 100 MB of memory" {
    [ "$(df -k --output=avail . | tail -n 1)" -gt 12000000 ] || skip "less than 12 GB free here"
    "$LIB/hostile-layers" --stream dense |
        python3 -c '
import resource, subprocess, sys
subprocess.run(["fccompose", "freeze", "-q", "-l", "-", "out.ext4"], check=True)
sys.exit(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss > 100 << 10)'
    debugfs -R 'stat /dense' out.ext4 2>/dev/null | grep -q 'Size: 5368709120'
    fsck_clean out.ext4
}
