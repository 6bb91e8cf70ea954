#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A directory of 4.1 million names, which two levels of index do not hold: two minutes and 4 GiB of memory.
load ../lib/common

@test "a directory index of three levels, full to the kernel's own limits" {
    [ "$(awk '/^MemAvailable/ { print $2 }' /proc/meminfo)" -gt 6000000 ] || skip "needs 6 GB of memory"
    [ -x "$B/unit/test_ext4_features" ] || skip "the unit tests are not built"
    FC_TEST_LARGE=1 FC_TEST_ONLY='*in_full' CMOCKA_MESSAGE_OUTPUT=TAP "$B/unit/test_ext4_features" | grep '^ok .*in_full'
}
