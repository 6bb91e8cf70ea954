# SPDX-License-Identifier: Apache-2.0
# A disk of its own that is filled: load with `load ../lib/full_disk`.
# shellcheck shell=bash

says_full() {
    run "$@"
    [ "$status" -eq 1 ] || { echo "$* was no failure" && return 1; }
    [[ $output == *"No space left on device"* || $output == *"disk is full"* ]] || { echo "$output" && return 1; }
}

# A file system of SIZE bytes with a mounted workspace: on_disk SIZE COMMAND-THAT-MAKES-IT...
on_disk() {
    need "$2"
    truncate -s "$1" disk.img
    shift
    PATH=$PATH:/usr/sbin:/sbin "$@" disk.img
    mkdir disk
    mount -o loop disk.img disk || skip "cannot mount what $1 makes"
    FCCOMPOSE_CACHE=$WORK/disk/cache
    mkdir -p tree/d disk/ws
    head -c 3000000 /dev/urandom >tree/d/large
    tar -cf layer.tar -C tree .
    cd disk/ws
    fccompose init -q ../../layer.tar
    fccompose mount -q
}

whole_afterwards() {
    local pid
    pid=$(fccompose --json status | python3 -c 'import json,sys; print(json.load(sys.stdin)["pid"])')
    "$LIB/fill-disk" rootfs "${SEED:-1}"
    while head -c 100000 /dev/zero >>../fill 2>/dev/null; do :; done
    says_full fccompose freeze -q out.ext4
    says_full fccompose export -q out.tar
    says_full fccompose export -q -f oci image
    head -c 9000000 /dev/urandom >../../tree/d/large
    says_full fccompose freeze -q -l "dir:$WORK/tree" out.ext4
    # Nothing half-written has a name, or none at all.
    [ -z "$(find . ../cache -xdev \( -name '*.ext4' -o -name '*.tar' -o -name '.*.fc-*' -o -name '.tmp-*' -o -name index.json \) -print)" ]
    kill -0 "$pid"
    fccompose export -q - | sha256sum >../../before
    fccompose umount -q
    says_full fccompose commit -q name
    [ "$(fccompose fsck -q)" = "$PWD: no errors" ]
    rm ../fill
    fccompose export -q - | sha256sum | cmp - ../../before
    fccompose mount -q
    echo more >rootfs/more
    sync rootfs/more
    fccompose umount -q
    [ "$(fccompose cat /more)" = more ]
    [ "$(fccompose fsck -q)" = "$PWD: no errors" ]
    cd "$WORK"
}
