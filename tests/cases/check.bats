#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# check: a tree with one defect gives the finding for it, and a tree that boots gives no error.
load ../lib/common

setup() {
    need e2fsck
    enter_workdir
    fccompose init -q builtin:busybox
    export FCCOMPOSE_UML=$ROOT/tools/uml
}
teardown() {
    kill_users_of "$WORK/"
    leave_workdir
}

# The codes of all findings for the workspace, a line each.
codes() { fccompose --json check "$@" | python3 -c 'import json, sys
got = json.load(sys.stdin)
for f in got["findings"] if isinstance(got, dict) else got: print(f["severity"], f["code"])'; }

@test "check: a tree that boots has no error, as a workspace and as an image" {
    run codes
    [ "$status" -eq 0 ]
    [[ $output != *error* ]]
    fccompose freeze -q image.ext4
    fccompose check image.ext4
    truncate -s +100 image.ext4
    run fccompose check image.ext4
    [[ $status -eq 1 && $output == *image-sectors* ]]
}

# CODE COMMANDS: what the finding is for.
@test "check: each of these defects is found, with the way out" {
    local code commands
    while IFS='|' read -r code commands; do
        fccompose reset -q
        eval "$commands" >/dev/null 2>&1 || { echo "$commands"; return 1; }
        run fccompose check
        [[ $output == *"$code: "*next:* ]] || { echo "$code: $output"; return 1; }
    done <<'END'
init-missing|fccompose rm -r /sbin /bin/sh
not-executable|fccompose chmod 644 /sbin/init
program-format|fccompose write -m 755 /sbin/init nonsense
script-interpreter|fccompose write -m 755 /sbin/init '#!/bin/nothing'
elf-damaged|printf '\177ELF\2\1\1' | fccompose write -m 755 /sbin/init
mount-point-missing|fccompose rm -r /proc
dir-missing|fccompose rm -r /tmp
END
}

@test "check: the command line's traps" {
    run fccompose check --cmdline 'console=ttyS0 noapic'
    [[ $status -eq 1 && $output == *cmdline-noapic* ]]
    run fccompose check --cmdline 'console=ttyS0 reboot=k panic=1'
    [ "$status" -eq 0 ]
    [[ $output != *cmdline-* ]]
}

@test "check: a program's loader and libraries, by what the real loader says" {
    need gcc
    printf 'int main(void){return 0;}' >m.c
    printf 'int f(void){return 0;}' >l.c
    gcc -shared -o libfound.so l.c
    gcc -o prog m.c -Wl,--no-as-needed -L. -lfound
    fccompose cp prog /sbin/init
    run fccompose check
    [[ $status -eq 1 && $output == *elf-interpreter* ]]
}

# CODE WORDS: the finding is an error, and the guest panics with these words.
predicted() {
    run fccompose check --init /sbin/init
    [[ $status -eq 1 && $output == *"error   $1: "* ]] || { echo "$output"; return 1; }
    run fccompose boot --vmm uml --init /sbin/init --timeout 100 </dev/null
    [[ $status -eq 1 && $output == *$2* && $output == *panicked* ]] || { echo "$output"; return 1; }
}

@test "check: guests panic as it was predicted" {
    need linux.uml gcc
    fccompose rm /sbin/init
    predicted init-missing 'Requested init /sbin/init failed (error -2)'
    printf '#!/usr/bin/perl\n' | fccompose write -m 755 /sbin/init
    predicted script-interpreter 'Requested init /sbin/init failed (error -2)'
    printf 'int main(void){return 0;}' >m.c
    printf 'int f(void){return 0;}' >l.c
    gcc -shared -o libgone.so l.c
    gcc -o prog m.c -Wl,--no-as-needed -L. -lgone
    fccompose rm /sbin/init
    fccompose cp prog /sbin/init
    ldd prog | grep -o '/[^ ]*' | while read -r lib; do
        fccompose mkdir -p "$(dirname "$lib")"
        fccompose cp "$(realpath "$lib")" "$lib"
    done
    predicted library-missing 'exitcode=0x00007f00'
}
