#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# Faults of the host under a whole mount: calls that fail, a disk that loses its end, no memory: an error that fits, and what was synced stays.
load ../lib/common

setup() {
    need_root
    need_fuse
    enter_workdir
}
teardown() { [ -z "${WORK:-}" ] || leave_workdir; }

mount_pid() { fccompose --json status | python3 -c 'import json,sys; print(json.load(sys.stdin)["pid"])'; }
make_layer() { # w/lower, one MiB
    mkdir -p "$WORK/tree/w"
    head -c 1048576 /dev/urandom >"$WORK/tree/w/lower"
    tar -C "$WORK/tree" -cf "$WORK/layer.tar" w
    fccompose init -q "$WORK/layer.tar"
}
clean_edits() { # fsck finds nothing
    run fccompose fsck -q
    [ "${lines[-1]}" = "$PWD: no errors" ] || { echo "$output" && return 1; }
}

need_strace() {
    need strace
    strace -qq -o /dev/null -e inject=getppid:error=EIO true 2>/dev/null || skip "ptrace is refused here"
}

# Errors in CALLS of process PID until stop_fault: start_fault PID CALLS ERROR
start_fault() {
    strace -qq -f -o "$WORK/trace" -e "trace=$2" -e "inject=$2:error=$3" -p "$1" 3>&- &
    FAULT=$!
    until ! grep -lq $'^TracerPid:\t0$' "/proc/$1"/task/*/status; do
        kill -0 "$FAULT"
        sleep 0.02
    done
}
stop_fault() {
    kill "$FAULT"
    wait "$FAULT" || true
}

@test "calls of a mount process that fail at random: errors that fit, it lives, what was synced stays" {
    need_strace
    make_layer
    seed=${FC_INJECT_SEED:-$RANDOM}
    "$LIB/injected" "$seed" "${FC_INJECT_ROUNDS:-5}"
    clean_edits
    fccompose freeze -q out.ext4
    fsck_clean out.ext4
}

@test "no memory for a thread that is to lead for the first time: the mount goes on" {
    need_strace
    make_layer
    fccompose mount -q
    pid=$(mount_pid)
    start_fault "$pid" mmap,mremap,brk ENOMEM
    # What may wait for the disk makes another thread lead.
    for i in 1 2 3 4 5 6 7 8; do
        echo "$i" >"rootfs/w/$i" || true
        sync "rootfs/w/$i" || true
        stat rootfs/w >/dev/null
    done
    stop_fault
    grep -q INJECTED "$WORK/trace"
    kill -0 "$pid"
    echo more >rootfs/w/more
    sync rootfs/w/more
    fccompose umount -q
    [ "$(fccompose cat w/more)" = more ]
    clean_edits
}

@test "a mount process that can open no more files: its clients hear that, the tree works, and it takes them again" {
    need prlimit
    make_layer
    fccompose mount -q
    pid=$(mount_pid)
    prlimit --pid "$pid" --nofile="$(find "/proc/$pid/fd" -mindepth 1 | awk 'END { print NR + 4 }'):"
    # Clients that ask nothing take all that there are.
    python3 - "$WORK/layer.tar" <<'PY'
import socket, subprocess, sys, time
held = []
for _ in range(40):
    held.append(socket.socket(socket.AF_UNIX))
    held[-1].connect(".fccompose/control.sock")
time.sleep(0.5)
r = subprocess.run(["fccompose", "cp", sys.argv[1], "/new"], stderr=subprocess.PIPE, text=True, timeout=60)
assert r.returncode == 1 and "as many files open as it may" in r.stderr, r
PY
    echo more >rootfs/more
    sync rootfs/more
    cmp rootfs/w/lower tree/w/lower
    prlimit --pid "$pid" --nofile=1024:
    timeout 60 fccompose cp "$WORK/layer.tar" /new
    cmp rootfs/new "$WORK/layer.tar"
    fccompose umount -q
    clean_edits
}

@test "a disk that loses its end under a mount: EIO for what is gone, it lives, and with the end it is whole" {
    need_loop
    truncate -s 40M disk.img
    mkfs.ext4 -qF disk.img
    mkdir disk mnt
    mount -o loop disk.img disk || skip "cannot mount a loop device"
    cd disk
    FCCOMPOSE_CACHE=$PWD/cache
    make_layer
    fccompose mount -q ../mnt
    pid=$(mount_pid)
    head -c 3000000 /dev/urandom >../want
    cp ../want ../mnt/safe
    sync ../mnt/safe
    sync -f .
    cp --sparse=always ../disk.img ../whole.img
    truncate -s 1M ../disk.img
    echo 3 >/proc/sys/vm/drop_caches
    run cat ../mnt/safe
    [[ $output == *"Input/output error"* ]]
    run cat ../mnt/w/lower
    [[ $output == *"Input/output error"* ]]
    [ "$(find ../mnt | wc -l)" -eq 4 ]
    echo new >../mnt/new || true
    sync ../mnt/new || true
    kill -0 "$pid"
    grep -q 'data/0.*Input/output error' .fccompose/mount.log
    fccompose umount -q || true
    cd "$WORK"
    umount -l disk
    mount -o loop whole.img disk
    cd disk
    clean_edits
    fccompose mount -q ../mnt
    cmp ../want ../mnt/safe
    cmp ../tree/w/lower ../mnt/w/lower
    fccompose umount -q
    cd "$WORK"
}

@test "a mount process that its group's memory limit kills: the next mount has what was synced" {
    make_layer
    group=/sys/fs/cgroup/memory limit=memory.limit_in_bytes
    [ -d "$group" ] || { group=/sys/fs/cgroup limit=memory.max; }
    group=$group/fc-test-$$
    mkdir "$group" 2>/dev/null || skip "no memory groups can be made here"
    [ -e "$group/$limit" ] || { rmdir "$group" && skip "no memory limits for groups here"; }
    fccompose mount -q
    pid=$(mount_pid)
    echo 6M >"$group/$limit"
    echo "$pid" >"$group/cgroup.procs" || { rmdir "$group" && skip "cannot move a process into a group"; }
    python3 - "$pid" <<'PY'
import os, sys
safe = 0
try:
    for i in range(100000):
        fd = os.open("rootfs/" + "n" * 200 + str(i), os.O_CREAT | os.O_WRONLY)
        if i % 500 == 0:
            os.fsync(fd)
            safe = i + 1
        os.close(fd)
except OSError:
    pass
open("safe", "w").write(str(safe))
PY
    for _ in $(seq 200); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    rmdir "$group"
    run kill -0 "$pid"
    [ "$status" -ne 0 ]
    fccompose mount -q
    [ "$(find rootfs -xdev -name 'nnn*' | wc -l)" -ge "$(cat safe)" ]
    cmp rootfs/w/lower tree/w/lower
    fccompose umount -q
    clean_edits
}

@test "the database's shared memory cut short kills the mount; the next one has what was synced" {
    make_layer
    fccompose mount -q
    echo safe >rootfs/safe
    sync rootfs/safe
    truncate -s 0 .fccompose/workspace.db-shm
    echo more >rootfs/more || true
    sync rootfs/more || true
    fccompose mount -q || true
    [ "$(cat rootfs/safe)" = safe ]
    echo more >rootfs/more
    sync rootfs/more
    fccompose umount -q
    clean_edits
    [ "$(fccompose cat more)" = more ]
}
