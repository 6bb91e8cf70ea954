#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The mount as programs see it: every operation of a root file system, for root and for an ordinary user.
load ../lib/common

setup_file() {
    can need_root need_fuse || return 0
    enter_workdir
    export WORK
    mkdir -p lower/dir/sub lower/many
    echo lower >lower/dir/file
    ln lower/dir/file lower/dir/hard
    echo deep >lower/dir/sub/deep
    for i in $(seq 300); do echo "$i" >"lower/many/$i"; done
    dd if=/dev/urandom of=lower/big bs=1M count=8 status=none
    truncate -s 10M lower/sparse
    echo x >>lower/sparse
    fccompose init -q --owner 0:0 dir:lower
    fccompose mount -q
}
teardown_file() {
    [ -z "${WORK:-}" ] || {
        cd "$WORK"
        fccompose umount || true
        leave_workdir
    }
}
setup() {
    need_root
    need_fuse
    FCCOMPOSE_CACHE=$WORK/cache
    cd "$WORK/rootfs"
}

teardown() { stop_user; }

@test "a second mount is refused with words" {
    run fccompose -C "$WORK" mount "$WORK/elsewhere"
    [ "$status" -eq 1 ]
    [[ $output == *mounted* ]]
}

@test "hard links of the lower layer count right, share content and keep their number through copy-up" {
    before=$(stat -c '%i %h' dir/file)
    [ "$before" = "$(stat -c '%i %h' dir/hard)" ]
    [ "$(stat -c %h dir/file)" = 2 ]
    exec 5<dir/hard
    echo more >>dir/file
    [ "$(cat <&5)" = "$(printf 'lower\nmore')" ]
    exec 5<&-
    [ "$(cat dir/hard)" = "$(printf 'lower\nmore')" ]
    [ "$before" = "$(stat -c '%i %h' dir/hard)" ]
}

@test "chown to nobody else clears set-id bits of a FIFO too" {
    mkfifo fifo
    chmod 6755 fifo
    python3 -c 'import os; os.chown("fifo", -1, -1)'
    [ "$(stat -c %a fifo)" = 755 ]
    rm fifo
}

@test "renames: lower directories, over empty ones, no-replace, exchange" {
    ino=$(stat -c %i dir/sub)
    mv dir/sub moved
    [ "$(stat -c %i moved)" = "$ino" ]
    [ "$(cat moved/deep)" = deep ]
    mkdir dir/sub
    run mv -nT moved dir/sub
    [ -e moved/deep ]
    mv -T moved dir/sub
    [ "$(cat dir/sub/deep)" = deep ]
    mkdir full && touch full/x && mkdir empty
    run mv -T empty full
    [ "$status" -ne 0 ]
    python3 - <<'PY'
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
def rename2(a, b, flags):
    r = libc.renameat2(-100, a.encode(), -100, b.encode(), flags)
    return 0 if r == 0 else ctypes.get_errno()
open("x1", "w").write("1"); open("x2", "w").write("2")
assert rename2("x1", "x2", 1) == errno.EEXIST
assert rename2("x1", "x2", 2) == 0
assert open("x1").read() == "2" and open("x2").read() == "1"
assert rename2("x1", "dir", 2) == 0 and os.path.isdir("x1") and open("dir").read() == "2"
assert rename2("x1", "dir", 2) == 0
try:
    os.rename("dir", "dir/sub/inside")
    raise SystemExit("a directory went into itself")
except OSError as e:
    assert e.errno == errno.EINVAL
PY
    rm -r x1 x2 full empty
}

@test "open files live on without a name" {
    python3 - <<'PY'
import os
fd = os.open("gone", os.O_RDWR | os.O_CREAT)
os.write(fd, b"still here")
os.unlink("gone")
assert os.fstat(fd).st_nlink == 0
assert os.pread(fd, 100, 0) == b"still here"
os.write(fd, b"!")
assert os.fstat(fd).st_size == 11
fd2 = os.open("many/1", os.O_RDONLY)
os.unlink("many/1")
assert os.read(fd2, 10) == b"1\n"
d = os.open("many", os.O_RDONLY)
os.mkdir("dd"); e = os.open("dd", os.O_RDONLY); os.rmdir("dd")
assert os.listdir(e) == []
PY
}

@test "mapped writes, holes, punches and seeks" {
    python3 - <<'PY'
import ctypes, mmap, os
libc = ctypes.CDLL(None, use_errno=True)
libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long]
fd = os.open("big", os.O_RDWR)
m = mmap.mmap(fd, 0); m[123456:123460] = b"mmap"; m.flush(); m.close()
assert os.pread(fd, 4, 123456) == b"mmap"
fd = os.open("sparse", os.O_RDONLY)
assert os.lseek(fd, 0, os.SEEK_DATA) == 10 << 20
assert os.lseek(fd, 10 << 20, os.SEEK_HOLE) == (10 << 20) + 2
fd = os.open("holes", os.O_RDWR | os.O_CREAT)
os.write(fd, b"a" * 65536)
assert libc.fallocate(fd, 3, 8192, 16384) == 0          # punch, keep size
assert os.pread(fd, 4, 8192) == b"\0" * 4 and os.pread(fd, 1, 24576) == b"a"
assert os.lseek(fd, 0, os.SEEK_HOLE) == 8192 and os.lseek(fd, 8192, os.SEEK_DATA) == 24576
assert libc.fallocate(fd, 0x10, 100, 200) == 0          # zero range
assert os.pread(fd, 3, 99) == b"a\0\0"
assert libc.fallocate(fd, 0, 0, 100000) == 0 and os.fstat(fd).st_size == 100000
os.ftruncate(fd, 10); os.ftruncate(fd, 20)
assert os.pread(fd, 30, 0)[10:] == b"\0" * 10
os.ftruncate(fd, 5 << 30); os.pwrite(fd, b"far", (5 << 30) - 3)
assert os.pread(fd, 3, (5 << 30) - 3) == b"far"
PY
    rm holes
}

@test "a directory may change while it is read, and rm -r and 50,000 entries work" {
    python3 - <<'PY'
import os
it = os.scandir("many"); first = next(it).name
seen = {first}
for e in it:
    seen.add(e.name)
    os.unlink("many/" + e.name)
    open("many/new-" + e.name, "w").close() if len(seen) < 50 else None
assert {str(i) for i in range(2, 301)} <= seen, len(seen)
os.mkdir("wide")
for i in range(50000):
    os.mknod(f"wide/{i}")
assert len(os.listdir("wide")) == 50000
PY
    rm -r wide many
    [ ! -e many ]
}

@test "set-id bits after writes, cuts and chown, by root, owner, group and others: as on the host" {
    mkdir "$WORK/host-set-id" set-id
    "$LIB/set-id-agrees" set-id "$WORK/host-set-id"
}

@test "ids of 32 bits, nanosecond times, set-id bits, names of 255 bytes" {
    touch ids
    chown 4000000000:3000000000 ids
    [ "$(stat -c %u:%g ids)" = 4000000000:3000000000 ]
    touch -d '1969-12-31 23:59:58.123456789 UTC' ids
    [ "$(stat -c %.9Y ids)" = -1.876543211 ] || [ "$(TZ=UTC stat -c %y ids)" = '1969-12-31 23:59:58.123456789 +0000' ]
    long=$(printf 'n%.0s' $(seq 255))
    touch "$long" && rm "$long"
    run touch "${long}n"
    [ "$status" -ne 0 ]
    touch '.wh.ordinary' $'odd\n\xff name' && rm '.wh.ordinary' $'odd\n\xff name'
    chmod 6755 ids
    # A write by somebody else clears the set-id bits.
    chmod o+w ids
    setpriv --reuid=65534 --regid=65534 --clear-groups sh -c 'echo x >>ids'
    [ "$(stat -c %a ids)" = 757 ]
}

@test "xattrs, capabilities and ACLs as root" {
    need setfattr setfacl
    touch attrs
    setfattr -n user.colour -v blue attrs
    setfattr -n trusted.secret -v 1 attrs
    setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 attrs
    [ "$(getfattr --only-values -n user.colour attrs)" = blue ]
    setfacl -m u:1000:rw attrs
    getfacl -cn attrs | grep -q 'user:1000:rw-'
    mkdir acldir
    setfacl -d -m g:2000:rx acldir
    touch acldir/inherits
    getfacl -cn acldir/inherits | grep -q 'group:2000:'
    echo x >>attrs
    run getfattr -n security.capability attrs
    [ "$status" -ne 0 ]
    setfattr -x user.colour attrs
    run getfattr -n user.colour attrs
    [ "$status" -ne 0 ]
}

@test "devices, FIFOs, sockets; locks; O_TMPFILE or a clear no" {
    mknod null c 1 3 && [ "$(stat -c %t:%T null)" = 1:3 ]
    echo x >null
    mkfifo fifo
    (echo through >fifo) & [ "$(cat fifo)" = through ]
    flock lockfile -c 'true'
    python3 - <<'PY'
import errno, fcntl, os, socket
s = socket.socket(socket.AF_UNIX); s.bind("sock"); s.close()
fd = os.open("lockfile", os.O_RDWR)
fcntl.lockf(fd, fcntl.LOCK_EX, 10, 0)
try:
    fd = os.open(".", os.O_TMPFILE | os.O_RDWR)
    os.write(fd, b"t")
    proc = os.open("/proc/self/fd", os.O_RDONLY)  # os.link() follows only when a descriptor is given
    os.link(str(fd), "linked", src_dir_fd=proc, follow_symlinks=True)
    assert open("linked").read() == "t"
except OSError as e:
    assert e.errno == errno.EOPNOTSUPP, e
PY
}

@test "statfs, fsync, sync" {
    [ "$(stat -f -c %S .)" -ge 512 ]
    [ "$(df --output=avail . | tail -n 1)" -gt 0 ]
    echo x >synced
    sync synced
    sync -f .
}

@test "real programs: tar, cp -a, find, sed -i, git-like churn" {
    mkdir work
    tar -C "$ROOT" -cf - src include | tar -C work -xf -
    diff -r "$ROOT/src" work/src
    cp -a work copy
    diff -r work copy
    find copy -name '*.c' -exec sed -i 's/fc_/xx_/g' {} +
    [ "$(find copy -name '*.c' | wc -l)" = "$(find work -name '*.c' | wc -l)" ]
    rm -r work copy
}

@test "verbs act on the mounted tree and show at once" {
    ls dir >/dev/null
    [ ! -e dir/by-verb ]
    fccompose -C "$WORK" write /dir/by-verb text
    [ "$(cat dir/by-verb)" = text ]
    fccompose -C "$WORK" write /dir/by-verb longer-text
    [ "$(cat dir/by-verb)" = longer-text ]
    fccompose -C "$WORK" mv /dir/by-verb /dir/other
    [ ! -e dir/by-verb ]
    [ -e dir/other ]
    fccompose -C "$WORK" chmod 4711 /dir/other
    [ "$(stat -c %a dir/other)" = 4711 ]
    fccompose -C "$WORK" rm /dir/other
    [ ! -e dir/other ]
}

@test "what is in the mount is in the image" {
    manifest . >"$WORK/live.txt"
    fccompose -C "$WORK" freeze -q "$WORK/out.ext4" --free 4M
    fsck_clean "$WORK/out.ext4"
    image_manifest "$WORK/out.ext4" "$WORK/image.txt"
    # A socket's and a directory's times and the rest must be the same.
    same_manifest "$WORK/live.txt" "$WORK/image.txt"
}

@test "an ordinary user may do everything in their own mount" {
    cd "$WORK"
    start_user
    cp -r lower user/lower
    chown -R fctest: user/lower
    chmod 000 user/lower/dir/sub/deep || true
    chmod 600 user/lower/dir/sub/deep
    as_user 'fccompose init -q --owner 0:0 dir:lower && fccompose mount -q && cd rootfs &&
        echo x >>dir/file && chmod 0 dir/file && cat dir/file >/dev/null && echo y >>dir/file &&
        touch new && [ "$(stat -c %u:%g new)" = 0:0 ] && chown 12:34 new && [ "$(stat -c %u:%g new)" = 12:34 ] &&
        chmod 4755 new && [ "$(stat -c %a new)" = 4755 ] && mkdir d && chmod 000 d && touch d/inside && rm -r d &&
        touch -d "2000-01-01 UTC" new && setfattr -n user.a -v b new && mv dir moved && cd .. &&
        fccompose mknod /dev-null c 1 3 && fccompose xattr set /new security.capability 0x0100000200040000000000000000000000000000 &&
        [ "$(stat -c %t:%T rootfs/dev-null)" = 1:3 ] && fccompose freeze -q out.ext4 && fccompose umount'
    fsck_clean user/out.ext4
    debugfs -R 'stat /new' user/out.ext4 2>/dev/null | grep -q capability
    [ "$(stat -c %U user/out.ext4)" = fctest ]
}

@test "with --me-as an ordinary user owns what is root's: cp -p, install and ACLs work, and are root's" {
    cd "$WORK"
    start_user
    as_user 'mkdir -p other && cd other && mkdir layer && echo x >layer/file && chmod 640 layer/file && fccompose init -q --owner 0:0 dir:layer &&
        fccompose mount -q --me-as 0:0 && cd rootfs && [ "$(stat -c %U:%G file)" = fctest:fctest ] && cp -p file copy &&
        [ "$(stat -c %a copy)" = 640 ] && install -m 4755 file program && [ "$(stat -c %a program)" = 4755 ] &&
        mkdir dir && chown 0:0 dir && [ "$(stat -c %U dir)" = fctest ] && chown 33:34 program && [ "$(stat -c %u:%g program)" = 33:34 ] &&
        touch acl && stat -c %a acl >/dev/null && setfacl -m u::rwx,g::x,o::- acl && [ "$(stat -c %a acl)" = 710 ] &&
        cd .. && fccompose umount && fccompose mount -q && stat -c "%n %u:%g" rootfs/* && fccompose umount' >shown.txt
    diff <(grep rootfs/ shown.txt | grep -v unmounted) - <<'LIST'
rootfs/acl 0:0
rootfs/copy 0:0
rootfs/dir 0:0
rootfs/file 0:0
rootfs/program 33:34
LIST
    run fccompose mount --me-as 0:0 elsewhere
    [ "$status" -eq 2 ]
}
