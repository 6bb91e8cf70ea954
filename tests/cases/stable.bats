#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# What edits leave alone stays where it is in the image: judged by comparing blocks.
load ../lib/common

setup() {
    need e2fsck
    need_minbase
    enter_workdir
    fccompose init -q "$MINBASE"
    fccompose freeze -q --no-sync old.ext4
}
teardown() { [ -z "${WORK:-}" ] || leave_workdir; }

shares() { # PERCENT: at least so much with old.ext4
    fccompose freeze -q --no-sync new.ext4
    fsck_clean new.ext4
    "$LIB/shared-blocks" old.ext4 new.ext4 --least "$1"
}

@test "stable: one changed file of Debian minbase changes some blocks" {
    fccompose write -q /etc/debian_version changed
    shares 99.95
    fccompose reset -q
    shares 100
}

@test "stable: removed directories, new files, attributes and renames leave the rest in place" {
    fccompose rm -q -r /usr/share/doc
    fccompose write -q /root/new text
    fccompose chmod -q 0700 /usr/bin
    fccompose mv -q /usr/share/zoneinfo /usr/share/zones
    dd if=/dev/urandom of=big bs=1M count=3 status=none
    fccompose cp -q big /opt/big
    shares 97
}

@test "stable: shared-blocks counts right, and fails when it is told to" {
    python3 -c '
import os
a = os.urandom(40960)
open("a", "wb").write(a)
open("b", "wb").write(a[:8192] + os.urandom(4096) + a[12288:] + bytes(8192) + b"x")'
    run "$LIB/shared-blocks" a b --where
    [ "${lines[0]}" = "81.82% shared: 9 of 11 blocks, 2 runs differ" ]
    [ "${lines[1]} ${lines[2]}" = "2-2 12-12" ]
    run "$LIB/shared-blocks" a b --least 82
    [ "$status" -eq 1 ]
    run "$LIB/shared-blocks" a a --least 100
    [ "$status" -eq 0 ]
}
