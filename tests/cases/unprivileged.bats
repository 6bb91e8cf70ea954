#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# An ordinary user with no privilege and no /dev/fuse, as in most containers of a CI: everything but a mount works.
load ../lib/common

setup() {
    need_root
    need setpriv unshare useradd
    id fctest >/dev/null 2>&1 || useradd --create-home --shell /bin/bash fctest || skip "cannot add the user fctest"
    enter_workdir
    # The checkout may be where only its owner can look.
    mkdir user bin
    cp "$B/fccompose" bin/
    chown fctest: user
}
teardown() { [ -z "${WORK:-}" ] || leave_workdir; }

# No /dev/fuse, no capability, no other group: bare_user COMMANDS
bare_user() {
    # shellcheck disable=SC2016
    unshare -m --propagation private bash -c '
        [ ! -e /dev/fuse ] || { mount -t tmpfs -o mode=755 none /dev; mknod -m 666 /dev/null c 1 3; mknod -m 666 /dev/urandom c 1 9; }
        cd "$1/user" && exec setpriv --reuid="$(id -u fctest)" --regid="$(id -g fctest)" --clear-groups --inh-caps=-all --bounding-set=-all -- \
            env PATH="$1/bin:$PATH" HOME="$1/user" FCCOMPOSE_CACHE="${CACHE:-$1/user/cache}" bash -ec "$2"' sh "$WORK" "$*"
}

# Every verb, then a layer of it.
# shellcheck disable=SC2016
session='
fccompose init -q builtin:busybox
fccompose write /etc/hostname web
mkdir -p host/sub; echo copied >host/sub/file; ln host/sub/file host/sub/link; ln -s file host/sub/symbolic
fccompose cp -r host/. /srv
fccompose mkdir -p -m 0700 --owner 1000:1000 /home/user/.ssh
fccompose mknod -m 0620 --owner 0:5 /dev/ttyS9 c 4 73
fccompose mknod /run/pipe p
fccompose mv /etc/fstab /srv/moved
fccompose ln /srv/moved /srv/hard
fccompose ln -s moved /srv/soft
fccompose rm -r /root
fccompose chown -R 3000000000:5 /srv/sub
fccompose chmod 4755 /bin/busybox
fccompose xattr set /bin/busybox security.capability 0x0100000200040000000000000000000000000000
fccompose xattr set /bin/busybox trusted.note kept
fccompose diff >diff.txt
fccompose freeze -q edited.ext4
fccompose commit -q edits
test -z "$(fccompose diff)"
fccompose export -q tree.tar
fccompose freeze -q committed.ext4
fccompose freeze -q -l tree.tar exported.ext4
fccompose ls -l / >/dev/null
fccompose cat /etc/hostname | grep -qx web
fccompose reset
'

@test "a user without privilege and without /dev/fuse edits, commits, freezes and exports" {
    bare_user "$session"
    local image
    for image in edited committed exported; do
        fsck_clean "user/$image.ext4"
        debugfs -R 'stat /bin/busybox' "user/$image.ext4" 2>/dev/null >stat.txt
        grep -q 'Mode: *0*4755' stat.txt
        grep -q 'security.capability' stat.txt
        grep -q 'trusted.note' stat.txt
        debugfs -R 'stat /srv/sub' "user/$image.ext4" 2>/dev/null | grep -qE 'User: *(3000000000|-1294967296) +Group: *5'
        debugfs -R 'stat /dev/ttyS9' "user/$image.ext4" 2>/dev/null | grep -q 'major/minor number: 04:73'
        debugfs -R 'stat /srv/hard' "user/$image.ext4" 2>/dev/null | grep -q 'Links: 2'
    done
    grep -q 'D .*etc/fstab' user/diff.txt
}

@test "the same session as root makes the same edits and the same names, owners and modes" {
    bare_user "$session"
    mkdir root-made
    (cd root-made && bash -ec "$session")
    cmp user/diff.txt root-made/diff.txt
    # All but the times, which are those of the edits.
    local where
    for where in user root-made; do
        tar --numeric-owner --xattrs -tvvf $where/tree.tar | sed -E 's/ [0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{5} / /' >$where/list.txt
    done
    cmp user/list.txt root-made/list.txt
}

@test "what cannot work there says what would help" {
    [ -e /dev/fuse ] || skip "this whole machine has no /dev/fuse"
    run bare_user 'fccompose init -q builtin:busybox; fccompose mount'
    [ "$status" -eq 1 ]
    [[ $output == *"there is no /dev/fuse"*"--device /dev/fuse"*"work without a mount"* ]]
    run bare_user 'fccompose doctor'
    [[ $output == *"/dev/fuse"*"--device /dev/fuse"* ]]
    CACHE=/nowhere/cache run bare_user 'fccompose freeze -q -l builtin:busybox x.ext4'
    [ "$status" -eq 1 ]
    [[ $output == */nowhere*FCCOMPOSE_CACHE* ]] || [[ $output == *FCCOMPOSE_CACHE*/nowhere* ]]
}
