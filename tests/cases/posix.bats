#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# The POSIX suite of tests/posix: the kernel's ext4 passes all of it, the mount all but what tests/posix/differs-* name.
load ../lib/common

setup_file() {
    can need_root need_fuse need_loop && [ -x "$B/posix" ] || return 0
    enter_workdir
    export WORK USER_HOLDER
    mkdir ext4 bin
    cp "$B/posix" bin/
    truncate -s 1G ext4.img
    mkfs.ext4 -qF ext4.img
    mount -o loop ext4.img ext4
    mkdir ext4/here ext4/below ext4/user
}
teardown_file() {
    [ -z "${WORK:-}" ] || leave_workdir
}
setup() {
    need_root
    need_fuse
    need_loop
    [ -n "${WORK:-}" ] || skip "the suite is not built: make unit"
    FCCOMPOSE_CACHE=$WORK/cache
    cd "$WORK"
}
teardown() {
    cd "$WORK" || return 0
    stop_user
    (cd "$BATS_TEST_NUMBER" 2>/dev/null && fccompose umount) || true
}

# suite ARGUMENT...: run it; its failed checks are to be those of the file LIST, no more and no fewer.
suite() {
    posix "$@" >"$WORK/log" || true
    judge
}
judge() {
    grep -q '^1\.\.' "$WORK/log" # it has come to its end
    grep '^# ' "$WORK/log" | grep -v ' checks in ' >"$WORK/failed" || true
    grep -v '^SPDX' "${LIST:-/dev/null}" | diff - "$WORK/failed"
}
mounted() { # LAYER...: a workspace of this test's own, mounted
    mkdir "$BATS_TEST_NUMBER"
    cd "$BATS_TEST_NUMBER"
    fccompose init -q "$@"
    fccompose mount -q
}

@test "the kernel's ext4 passes every check" {
    suite both ext4/here
    [ "$(grep -o '# [0-9]* checks' "$WORK/log" | tail -n 1 | tr -dc 0-9)" -gt 29000 ]
}

@test "the mount does with new objects what ext4 does, but for what is known" {
    mounted builtin:busybox
    mkdir rootfs/here
    export PX_FORGET=1
    LIST=$ROOT/tests/posix/differs-mount suite both rootfs/here
}

@test "the mount does with objects of layers what ext4 does, but for what is known; numbers outlive a mount" {
    suite prepare ext4/below
    tar -C ext4/below --format=posix --numeric-owner --xattrs --xattrs-include='*' --acls --sparse -cf below.tar .
    mounted "$WORK/below.tar"
    export PX_FORGET=1
    LIST=$ROOT/tests/posix/differs-mount suite run rootfs
    find rootfs -printf '%i %n %m %U:%G %P\n' | sort >before
    fccompose umount
    fccompose mount -q
    find rootfs -printf '%i %n %m %U:%G %P\n' | sort | cmp - before
}

@test "a read-only file system refuses every change: ext4, the mount of a workspace" {
    [ -d ext4/below/frozen-changes ] || skip "nothing was prepared"
    mount -o remount,ro ext4
    suite frozen ext4/below
    mount -o remount,rw ext4
    mkdir "$BATS_TEST_NUMBER"
    cd "$BATS_TEST_NUMBER"
    fccompose init -q "$WORK/below.tar"
    fccompose mount -q -o ro
    suite frozen rootfs
}

@test "an ordinary user's own mount differs from ext4 in what is known, and in nothing else" {
    start_user
    cp "$B/posix" bin/
    chown fctest: ext4/user
    as_user "posix both '$WORK/ext4/user'" >"$WORK/log" || true
    judge
    as_user 'mkdir own && cd own && fccompose init -q builtin:busybox && fccompose mount -q && mkdir rootfs/here &&
        { posix both rootfs/here || true; } && fccompose umount >&2' >"$WORK/log"
    LIST=$ROOT/tests/posix/differs-own-shell judge
}
