#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# The kernel works in frozen images: fills them, empties them, grows them while they are mounted; e2fsck finds nothing.
load ../lib/common

setup() {
    need_root
    need_loop
    need python3 setfacl
    enter_workdir
    mkdir mnt
    make_tree
}
teardown() {
    [ -z "${DEV:-}" ] || { umount mnt 2>/dev/null; losetup -d "$DEV"; }
    leave_workdir
}

# One of everything, and hash trees, shared attribute blocks and large files for the kernel to change.
make_tree() {
    mkdir -p t/deep/er/still t/many t/attrs "t/ odd
name"
    python3 - <<'PYTHON'
import os
for i in range(700):
    open(f"t/many/a-name-of-some-length-{i}", "w").write(str(i) * (i % 40))
for i in range(40):
    p = f"t/attrs/{i}"
    open(p, "w").write("x")
    os.setxattr(p, "user.same", b"s" * 300)
    os.setxattr(p, "user.own", b"o" * i)
    os.setxattr(p, "trusted.t", b"")
with open("t/holes", "wb") as f:
    for i in range(500):
        f.seek(i * 12288)
        f.write(b"%d" % i)
    f.truncate(1 << 26)
open("t/large", "wb").write(os.urandom(1 << 20) * 9)
os.utime("t/large", ns=(-1, 2**33 * 10**9 + 123456789))
os.setxattr("t/large", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
PYTHON
    ln t/large t/deep/link
    ln -s "$(printf '%0200d' 7)" t/deep/long
    ln -s short t/deep/short
    mknod t/deep/null c 1 3
    mknod t/deep/disk b 259 70000
    mkfifo t/deep/fifo
    setfacl -m u:1234:rwx -d -m g:99:r t/deep/er
    chown 100000:4000000000 t/deep/er/still
    chmod 3771 t/deep/er/still
    manifest t >want
    tar --xattrs --xattrs-include='*' --acls -S -C t -cf t.tar . 2>/dev/null
}

# A namespace that another test made meanwhile may keep the image mounted: read-only, its file is at rest all the same.
settle() {
    mount -o remount,ro mnt
    umount mnt
}

freeze() { fccompose freeze -q -l t.tar "$@"; }

@test "what the kernel shows is the tree, for each kind of image" {
    for options in "" "--no-journal" "--inode-size 512" "--inode-size 1024 --size 500M" "--inodes 5000 --reserved 5" \
        "--inline-data" "--inline-data --inode-size 1024 --profile 6.18" "--profile compat --size 500M" "--read-only --inline-data"; do
        # shellcheck disable=SC2086
        freeze $options o.ext4
        fsck_clean o.ext4
        image_manifest o.ext4 got
        same_manifest want got
    done
}

@test "a guest fills an image and empties it again" {
    seed=0
    for options in "--free 12M" "--free 12M --no-journal" "--free 12M --inode-size 128" "--size 200M --reserved 5" "--size 700M" "--free 1M" "" \
        "--free 12M --inline-data" "--free 12M --inline-data --inode-size 1024 --profile 6.18" "--size 300M --profile compat"; do
        # shellcheck disable=SC2086
        freeze $options o.ext4
        # Linux 6.18 now and then answers ERANGE to an append to an inline file that it has just made itself, when delayed
        # allocation writes it out meanwhile (6 of 16 runs; 0 of 16 without delayed allocation).
        how=loop
        [[ $options != *--inline-data* ]] || how=loop,nodelalloc
        for _ in 1 2; do
            mount -o "$how" o.ext4 mnt
            "$LIB/guest-churn" mnt $((++seed)) 3000
            settle
            fsck_clean o.ext4
            cp --sparse=always o.ext4 next.ext4
            mv next.ext4 o.ext4
        done
    done
}

@test "an image grows while it is mounted" {
    python3 -c 'import sys; sys.exit(not any(l.startswith("CapEff") and int(l.split()[1], 16) >> 24 & 1 for l in open("/proc/self/status")))' ||
        skip "needs CAP_SYS_RESOURCE"
    for options in "--free 4M" "--free 4M --no-journal" "--size 130M --free 1M" "--free 4M --profile compat"; do
        # shellcheck disable=SC2086
        freeze $options o.ext4
        DEV=$(losetup -f --show o.ext4)
        mount "$DEV" mnt
        for size in 300M 5G; do
            truncate -s $size o.ext4
            losetup -c "$DEV"
            resize2fs "$DEV" >log 2>&1 || { cat log; false; }
            head -c 50M /dev/urandom >mnt/grown-$size
            cp mnt/grown-$size mnt/again-$size
        done
        rm mnt/grown-* mnt/again-*
        manifest mnt --skip lost+found >got
        settle
        losetup -d "$DEV"
        DEV=
        # The root's times have changed.
        same_manifest <(sed 1d want) <(sed 1d got)
        fsck_clean o.ext4
    done
}

@test "an image shrinks again to what it needs" {
    freeze --free 300M o.ext4
    e2fsck -fy o.ext4 >log 2>&1 || { cat log; false; }
    resize2fs -M o.ext4 >log 2>&1 || { cat log; false; }
    fsck_clean o.ext4
    image_manifest o.ext4 got
    same_manifest want got
}

@test "--free is room that root can use in the mounted image" {
    for free in 4K 64K 1M 20M 200M; do
        for more in "" "--no-journal" "--reserved 5"; do
            # shellcheck disable=SC2086
            freeze --free $free $more o.ext4
            mount -o loop o.ext4 mnt
            bytes=$(numfmt --from=iec $free)
            room=$(($(stat -f -c '%a * %S' mnt)))
            head -c "$bytes" /dev/zero >mnt/filled && wrote=yes || wrote=no
            umount mnt
            [ "$room" -ge "$bytes" ] || { echo "$free $more: statfs says $room"; false; }
            [ "$wrote" = yes ] || { echo "$free $more: cannot be written"; false; }
        done
    done
}

@test "an image without room to write still takes names and attributes" {
    freeze o.ext4
    mount -o loop o.ext4 mnt
    : >mnt/deep/empty
    mkdir mnt/deep/dir && made=yes || made=no
    chmod 600 mnt/deep/empty
    echo word >mnt/deep/word || true
    [ ! -s mnt/deep/word ] || echo "there was room after all"
    rm mnt/deep/link mnt/large
    echo word >mnt/deep/word
    mkdir -p mnt/deep/dir
    settle
    [ "$made" = no ]
    fsck_clean o.ext4
}

@test "copies of the superblock are good for e2fsck" {
    freeze --size 1G o.ext4
    for block in 32768 98304 163840 229376; do
        cp --sparse=always o.ext4 copy
        dd if=/dev/zero of=copy bs=4096 count=1 conv=notrunc status=none
        run e2fsck -fn -b $block -B 4096 copy
        [ "$status" -le 4 ]
        e2fsck -fy -b $block -B 4096 copy >/dev/null 2>&1 || true
        fsck_clean copy
        image_manifest copy got
        same_manifest want got
    done
}

@test "the image that a guest runs from grows under it" {
    need linux.uml
    need_minbase
    fccompose freeze -q -l "$MINBASE" --free 4M o.ext4
    truncate -s 3G o.ext4
    boot_uml o.ext4 /bin/sh "mount -t proc none /proc; mount -t devtmpfs none /dev; resize2fs /dev/ubda && head -c 300M /dev/zero >/root/filled && sync && mount -o remount,ro / && echo GROWN-\$((1+1))" GROWN-2
    grep -a 'is now 786432' boot.log
    fsck_clean boot.img
}
