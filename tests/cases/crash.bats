#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# SIGKILL of the mount process at random moments under load: the workspace opens, fsynced data is there.
load ../lib/common

setup() { enter_workdir; }
teardown() { leave_workdir; }

ROUNDS=${FC_CRASH_ROUNDS:-15}

@test "killed at random under load, many times: it opens again and what was fsynced is there" {
    need_root
    need_fuse
    need python3
    fccompose init -q builtin:busybox
    for round in $(seq "$ROUNDS"); do
        fccompose mount -q
        "$LIB/churn" rootfs "$round" "$WORK/synced" & load=$!
        sleep "0.$((RANDOM % 9))$((RANDOM % 10))"
        pid=$(fccompose --json status | python3 -c 'import json,sys; print(json.load(sys.stdin)["pid"])')
        kill -KILL "$pid"
        wait $load || true
        # The dead mount is recognised and cleaned up by mount itself.
        fccompose mount -q
        "$LIB/churn" --check rootfs "$WORK/synced"
        find rootfs -xdev | wc -l >/dev/null
        fccompose umount
        fccompose fsck -q
        fccompose freeze -q out.ext4
        fsck_clean out.ext4
    done
    # The check looked at something.
    [ "$(wc -l <"$WORK/synced")" -ge "$ROUNDS" ]
}

@test "umount cleans up a dead mount" {
    need_root
    need_fuse
    fccompose init -q builtin:busybox
    fccompose mount -q
    pid=$(fccompose --json status | python3 -c 'import json,sys; print(json.load(sys.stdin)["pid"])')
    kill -KILL "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
    run ls rootfs/etc
    [ "$status" -ne 0 ]
    fccompose umount
    ! grep -q "$WORK/rootfs" /proc/self/mounts
    fccompose status
}

@test "verbs killed half-way leave a workspace that opens" {
    fccompose init -q builtin:busybox
    mkdir big
    for i in $(seq 500); do echo "$i" >big/$i; done
    for delay in 0.005 0.01 0.02 0.04 0.08; do
        fccompose cp -r big /opt & p=$!
        sleep $delay
        kill -KILL $p 2>/dev/null || true
        wait $p 2>/dev/null || true
        fccompose status >/dev/null
        fccompose freeze -q out.ext4
        fsck_clean out.ext4
        fccompose reset
    done
}
