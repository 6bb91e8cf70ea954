#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# A disk of its own, with workspace and cache, that is full: who asks hears it, what was synced stays, and space that comes back is used.
load ../lib/common
load ../lib/full_disk

setup() {
    need_root
    need_fuse
    need_loop
    enter_workdir
}
teardown() { [ -z "${WORK:-}" ] || leave_workdir; }

@test "a full ext4" {
    on_disk 40M mkfs.ext4 -qF
    whole_afterwards
}
