#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The session of the README: stack, mount, edit, diff, freeze, commit, reset; as root and as an ordinary user.
load ../lib/common

setup() { enter_workdir; }
teardown() { leave_workdir; }

# What the session does, as text, so that root and the user run the very same.
session='
set -eu
fccompose init builtin:busybox
fccompose mount
echo web >rootfs/etc/hostname
mkdir -p rootfs/srv/www
cp rootfs/bin/busybox rootfs/srv/www/copy
ln rootfs/srv/www/copy rootfs/srv/www/link
ln -s copy rootfs/srv/www/symbolic
mv rootfs/root rootfs/moved
rm rootfs/etc/fstab
chown 1000:1001 rootfs/srv/www
chmod 2750 rootfs/srv/www
touch -d "2001-02-03 04:05:06.789 UTC" rootfs/srv/www
fccompose diff >diff.mounted
fccompose freeze -q mounted.ext4
fccompose umount
fccompose diff >diff.unmounted
fccompose freeze -q unmounted.ext4
'

check_session() {
    cmp diff.mounted diff.unmounted
    cmp mounted.ext4 unmounted.ext4
    grep -q 'M.*etc/hostname' diff.mounted
    grep -q 'D.*etc/fstab' diff.mounted
    grep -q 'A.*srv/www' diff.mounted
    fsck_clean mounted.ext4
    [ "$(debugfs -R 'cat /etc/hostname' mounted.ext4 2>/dev/null)" = web ]
    debugfs -R 'stat /srv/www' mounted.ext4 2>/dev/null >stat.txt
    grep -qE 'User: *1000 +Group: *1001' stat.txt
    grep -qE 'Mode: *02750' stat.txt
    grep -q 'Sat Feb  3 04:05:06 2001' <(TZ=UTC debugfs -R 'stat /srv/www' mounted.ext4 2>/dev/null)
    debugfs -R 'stat /srv/www/link' mounted.ext4 2>/dev/null | grep -q 'Links: 2'
}

@test "the session as root" {
    need_root
    need_fuse
    bash -c "$session"
    check_session
}

@test "the session as an ordinary user, with the same bytes as root's" {
    need_root
    need_fuse
    start_user
    as_user "$session"
    cd user
    check_session
    # Files that the user made belong to 0:0 in the tree.
    debugfs -R 'stat /srv/www/copy' mounted.ext4 2>/dev/null | grep -qE 'User: *0 +Group: *0'
}

@test "commit: edits become a layer, and the tree stays the same" {
    need_root
    need_fuse
    bash -c "$session"
    mkdir -p before after
    fccompose mount -q before && manifest before >before.txt && fccompose umount
    fccompose commit web
    [ -z "$(fccompose diff)" ]
    fccompose layer ls | grep -q web
    fccompose mount -q after && manifest after >after.txt && fccompose umount
    same_manifest before.txt after.txt
}

@test "reset: one path, then everything" {
    need_root
    need_fuse
    bash -c "$session"
    fccompose reset /etc/hostname
    run fccompose diff
    [[ $output != *etc/hostname* ]]
    [[ $output == *srv/www* ]]
    fccompose reset
    [ -z "$(fccompose diff)" ]
    fccompose freeze -q fresh.ext4
    fccompose freeze -q -l builtin:busybox plain.ext4
    cmp fresh.ext4 plain.ext4
}

@test "reset works while mounted, and the mount shows it" {
    need_root
    need_fuse
    fccompose init -q builtin:busybox
    fccompose mount -q
    cp rootfs/etc/hostname old
    echo changed >rootfs/etc/hostname
    rm rootfs/etc/fstab
    echo new >rootfs/etc/new
    cat rootfs/etc/new rootfs/etc/hostname >/dev/null
    fccompose reset
    cmp rootfs/etc/hostname old
    [ -e rootfs/etc/fstab ]
    [ ! -e rootfs/etc/new ]
    [ -z "$(fccompose diff)" ]
    fccompose umount
}

@test "mount -o ro refuses every change, and allow_other lets others in" {
    need_root
    need_fuse
    fccompose init -q builtin:busybox
    fccompose mount -q -o ro,allow_other
    run touch rootfs/new
    [ "$status" -ne 0 ]
    [[ $output == *'Read-only file system'* ]]
    run chmod 700 rootfs/etc
    [ "$status" -ne 0 ]
    run fccompose write /etc/hostname web
    [ "$status" -eq 1 ]
    [[ $output == *read-only* ]]
    [ "$(setpriv --reuid=65534 --regid=65534 --clear-groups cat rootfs/etc/hostname)" = "$(cat rootfs/etc/hostname)" ]
    fccompose umount
    [ -z "$(fccompose diff)" ]
}

@test "a mapped page that was never synced is in the image" {
    need_root
    need_fuse
    need python3
    fccompose init -q builtin:busybox
    fccompose mount -q
    python3 - <<'PY' &
import mmap, os, time
fd = os.open("rootfs/etc/mapped", os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 8192)
m = mmap.mmap(fd, 8192)
m[5000:5005] = b"dirty"
open("ready", "w").close()
time.sleep(20)
PY
    while [ ! -e ready ]; do sleep 0.1; done
    fccompose freeze -q out.ext4
    kill $!
    debugfs -R 'dump /etc/mapped dumped' out.ext4 2>/dev/null
    [ "$(stat -c %s dumped)" = 8192 ]
    [ "$(tail -c +5001 dumped | head -c 5)" = dirty ]
    fccompose umount
}

@test "stack changes under edits: edits are kept by path, conflicts are shown" {
    need_root
    fccompose init -q builtin:busybox
    mkdir -p layer/opt/app
    echo one >layer/opt/app/config
    echo two >layer/opt/app/other
    fccompose layer add -q dir:layer
    fccompose write /opt/app/config edited
    fccompose write /etc/hostname web
    fccompose rm /opt/app/other
    fccompose layer rm 1
    run fccompose status
    [ "$status" -eq 0 ]
    [[ $output == *opt/app/config* ]]
    fccompose diff | grep -q 'etc/hostname'
    [ "$(fccompose cat /opt/app/config)" = edited ]
    [ "$(fccompose cat /etc/hostname)" = web ]
}
