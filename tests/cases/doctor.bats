#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# fccompose doctor: each lack is found where it is, with the command that mends it on this distribution.
load ../lib/common

setup() {
    need_root
    need unshare python3
    enter_workdir
    mkdir bin
    ln -s "$(command -v sh)" "$(command -v sync)" bin/ # umount runs sync
}
teardown() { [ -z "${WORK:-}" ] || leave_workdir; }

# doctor with the PATH bin/ alone, in a mount namespace after COMMANDS; the result in found.json: doctor_after COMMANDS
doctor_after() {
    local f
    f=$(command -v fccompose)
    # Statuses 0 and 1 are both answers.
    # shellcheck disable=SC2016
    unshare -m --propagation private bash -ec "$1"'
        export PATH="$PWD/bin"; "$2" --json doctor >found.json || [ $? -eq 1 ]' sh "$1" "$f" 3>&-
}
# verdict, finding and remedy of a thing: says THING
says() {
    python3 -c 'import json, sys
for o in json.load(open("found.json")):
    if o["what"] == sys.argv[1]:
        print(o["verdict"], "|", o["finding"], "|", o.get("remedy", ""))' "$1"
}
os_release() { printf '%s\n' "$@" >os-release; }

@test "what builds kernels: what is missing is named, and installed by the distribution's own command" {
    local p
    for p in make gcc ld flex perl cpio xz; do printf '#!/bin/sh\necho "%s 1.0"\n' $p >bin/$p; done
    chmod 755 bin/[!s]*
    local hide='for d in /usr/sbin /sbin /usr/local/sbin; do [ ! -d $d ] || mount -t tmpfs none $d; done; mount --bind os-release /etc/os-release;'
    os_release 'NAME="Alpine Linux"' 'ID=alpine'
    doctor_after "$hide"
    [[ $(says "building kernels") == "warn | missing: bison, bc"*" | apk add bison bc"* ]]
    os_release 'ID="rocky"' 'ID_LIKE="rhel centos fedora"'
    doctor_after "$hide"
    [[ $(says "building kernels") == *" | dnf install bison bc"* ]]
    os_release 'ID=linuxmint' "ID_LIKE='ubuntu debian'"
    doctor_after "$hide"
    [[ $(says "building kernels") == *" | apt-get install bison bc"* ]]
    [[ $(says "QEMU") == "warn | is not installed | apt-get install qemu-system-"* ]]
    os_release 'ID=unheard-of'
    doctor_after "$hide"
    [[ $(says "building kernels") == *" | install what Debian calls bison bc"* ]]
}

@test "machines: what is installed says its version; KVM is tried, not only looked for" {
    printf '#!/bin/sh\necho "QEMU emulator version 99.1"\n' >bin/qemu-system-"$(uname -m)"
    chmod 755 bin/qemu*
    # A node of that name that is none.
    doctor_after 'mount -t tmpfs none /dev; mknod /dev/null c 1 3; mknod /dev/urandom c 1 9; : >/dev/kvm'
    [ "$(says QEMU)" = "ok | QEMU emulator version 99.1 | " ]
    [[ $(says KVM) == "warn | /dev/kvm is not KVM"* ]]
    doctor_after 'mount -t tmpfs none /dev; mknod /dev/null c 1 3; mknod /dev/urandom c 1 9'
    [[ $(says KVM) == "warn | /dev/kvm: "*" | "*modprobe* ]] || [[ $(says KVM) == *"nested virtualisation"* ]]
}

@test "run: namespaces, id ranges and seccomp are tried; each lack has what mends it" {
    local real=$PATH
    doctor_after ''
    [[ $(says "namespaces for run") == "ok | "* ]] || skip "no user namespaces here: $(says "namespaces for run")"
    [ "$(says "users and groups in run")" = "ok | all, as root | " ]
    [[ $(says "device nodes in run") == "ok | "* ]]
    doctor_after 'exec unshare -U -r bash -ec "echo 0 >/proc/sys/user/max_user_namespaces; PATH=\"$PWD/bin\" \"\$2\" --json doctor >found.json || [ \$? -eq 1 ]" sh "" "$2";'
    [[ $(says "namespaces for run") == "warn | "*"user.max_user_namespaces is 0"*"sysctl user.max_user_namespaces="* ]]
    start_user
    as_user 'fccompose --json doctor' >found.json || true
    [[ $(says "users and groups in run") == *newuidmap* ]] || [[ $(says "users and groups in run") == *"/etc/subuid"* ]]
    need_ranges
    # The helpers without their privilege, then without ranges, then not installed.
    PATH=$real
    cp "$(command -v newuidmap)" "$(command -v newgidmap)" .
    chmod 755 newuidmap newgidmap
    nsenter -t "$USER_HOLDER" -m -- mount --bind "$WORK/newuidmap" "$(command -v newuidmap)"
    as_user 'fccompose --json doctor' >found.json || true
    [[ $(says "users and groups in run") == "warn | newuidmap failed"*" | as root: chmod u+s "* ]]
    [[ $(says "namespaces for run") == "ok | "* ]]
    : >empty
    nsenter -t "$USER_HOLDER" -m -- mount --bind "$WORK/empty" /etc/subuid
    as_user 'fccompose --json doctor' >found.json || true
    [[ $(says "users and groups in run") == "warn | only 0: this user has no range in /etc/subuid"*"usermod --add-subuids"* ]]
}
