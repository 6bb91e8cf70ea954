#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# freeze: what comes with the image (digests, hash trees), and images that are written over their predecessors.
load ../lib/common

setup() {
    enter_workdir
    fccompose init -q builtin:busybox
    fccompose write /etc/hostname web
}
teardown() { leave_workdir; }

json() { python3 -c 'import json,sys; d = json.load(sys.stdin)
for k in sys.argv[1].split("."): d = d[k]
print(d)' "$1"; }

@test "--sha256 is what sha256sum says: file, standard output, block device" {
    fccompose freeze --sha256 a.ext4 2>a.err
    sum=$(sha256sum a.ext4 | cut -d' ' -f1)
    grep -q "^sha256:$sum$" a.err
    [ "$(fccompose --json freeze --sha256 a.ext4 | json sha256)" = "$sum" ]
    [ "$(fccompose freeze --sha256 - 2>b.err | sha256sum | cut -d' ' -f1)" = "$sum" ]
    grep -q "^sha256:$sum$" b.err
    need_root
    need_loop
    truncate -s "$(stat -c %s a.ext4)" disk
    dev=$(losetup -f --show disk)
    fccompose --json freeze --sha256 "$dev" >dev.json
    losetup -d "$dev"
    [ "$(json sha256 <dev.json)" = "$sum" ]
    [ "$(sha256sum disk | cut -d' ' -f1)" = "$sum" ]
}

@test "--chunks lists the digest of every 64 KiB" {
    fccompose freeze -q --free 1M --chunks a.chunks a.ext4
    {
        printf 'fccompose-chunks 1\nsize %d\nchunk-size 65536\nalgorithm sha256\n' "$(stat -c %s a.ext4)"
        split -b 65536 --filter='sha256sum | cut -d" " -f1' a.ext4
    } | cmp - a.chunks
    run fccompose freeze --chunks a.ext4 a.ext4
    [ "$status" -eq 2 ]
    [[ $output == *"--chunks: a.ext4 is the image"* ]]
}

@test "--verity: veritysetup agrees, the same tree every time, a changed byte is found" {
    need veritysetup
    PATH=$PATH:/usr/sbin:/sbin
    fccompose freeze -q plain.ext4
    size=$(stat -c %s plain.ext4)
    fccompose --json freeze --sha256 --verity append a.ext4 >a.json
    root=$(json verity.root_hash <a.json)
    [ "$(json verity.offset <a.json)" -eq "$size" ]
    [ "$(json sha256 <a.json)" = "$(sha256sum a.ext4 | cut -d' ' -f1)" ]
    cmp -n "$size" plain.ext4 a.ext4
    veritysetup verify a.ext4 a.ext4 "$root" --hash-offset "$size"
    veritysetup dump a.ext4 --hash-offset "$size" >dump
    grep -q "Salt:.*$(json verity.salt <a.json)" dump
    grep -q "Data blocks:.*$((size / 4096))" dump

    fccompose --json freeze --verity tree b.ext4 >b.json
    cmp plain.ext4 b.ext4
    [ "$(json verity.root_hash <b.json)" = "$root" ]
    veritysetup verify b.ext4 tree "$root"
    tail -c +$((size + 1)) a.ext4 | cmp - tree

    fccompose freeze -q --verity append - | cmp - a.ext4
    printf X | dd of=a.ext4 bs=1 seek=$((size / 2)) conv=notrunc status=none
    run veritysetup verify a.ext4 a.ext4 "$root" --hash-offset "$size"
    [ "$status" -ne 0 ]
}

# Run user-mode Linux on the host's own files with IMAGE as its disk, the device mapper set up by TABLE, and what is below
# mounted read-only: guest IMAGE TABLE
guest() {
    local modules box
    modules=$(echo /usr/lib/uml/modules/*/kernel/drivers/md)
    [ -e "$modules/dm-verity.ko" ] || skip "user-mode Linux without dm-verity"
    # By their paths: busybox would look for itself in /proc, which is the host's at first.
    box=$(command -v busybox)
    cat >init <<END
#!$box sh
$box mount -t proc none /proc
$box mount -t sysfs none /sys
$box mount -t devtmpfs none /dev 2>/dev/null
$box mount -t tmpfs none /mnt
for m in dm-mod dm-bufio dm-verity; do $box insmod $modules/\$m.ko; done
$(command -v dmsetup) create guest -r --noudevrules --noudevsync --table "$2"
$(command -v dmsetup) mknodes
$box mkdir /mnt/root
$box mount -t ext4 -o ro /dev/mapper/guest /mnt/root
echo "hostname: \$($box cat /mnt/root/etc/hostname)"
$box cat /mnt/root/bin/busybox >/dev/null && echo read everything
echo "status \$($(command -v dmsetup) status guest)"
$box poweroff -f
END
    chmod +x init
    timeout 60 "$ROOT/tools/uml" mem=256M root=/dev/root rootfstype=hostfs rootflags=/ "ubd0r=$PWD/$1" "init=$PWD/init" con=null \
        con0=fd:0,fd:1 </dev/null >boot.log 2>&1
}

@test "--verity: a guest's kernel takes the argument, and sees a changed byte" {
    need_root
    need linux.uml dmsetup busybox debugfs
    PATH=$PATH:/usr/sbin:/sbin
    fccompose --json freeze --verity append a.ext4 >a.json
    table=$(json verity.kernel_argument <a.json | sed 's/.*,ro,//; s/".*//; s,/dev/vda,/dev/ubda,g')
    guest a.ext4 "$table"
    grep -q 'hostname: web' boot.log
    grep -q 'read everything' boot.log
    grep -q 'status.*verity V' boot.log

    block=$(debugfs -R 'bmap /bin/busybox 3' a.ext4 2>/dev/null)
    printf XXXX | dd of=a.ext4 bs=1 seek=$((block * 4096 + 8)) conv=notrunc status=none
    guest a.ext4 "$table"
    grep -q 'hostname: web' boot.log
    ! grep -q 'read everything' boot.log
    grep -q 'status.*verity C' boot.log
}

# Freeze over out.ext4 and freshly beside it: the same bytes. Then: again WORDS... of the report must be there.
again() {
    fccompose freeze --no-sync --fresh -q fresh.ext4
    fccompose --json freeze --no-sync out.ext4 >report
    cmp fresh.ext4 out.ext4
    e2fsck -fn out.ext4 >/dev/null 2>&1
}
over() { again && json unchanged_bytes <report >/dev/null; }                    # the old image was used
anew() { again && ! json unchanged_bytes <report >/dev/null 2>&1; }             # it was not
changed_at_most() { [ $(($(stat -c %s out.ext4) - $(json unchanged_bytes <report))) -le "$1" ]; }

edits_over_the_old_image() {
    mkdir big
    head -c 3000000 /dev/urandom >big/random
    truncate -s 5M big/sparse
    printf x | dd of=big/sparse bs=1 seek=2000000 conv=notrunc status=none
    for i in $(seq 300); do echo "$i" >"big/file$i"; done
    fccompose init -q builtin:busybox dir:big
    anew
    over # nothing changed
    changed_at_most 0
    fccompose write /etc/hostname changed
    over
    changed_at_most 65536
    fccompose write /etc/hostname other # overwritten in place in the edits' data file
    over
    debugfs -R 'cat /etc/hostname' out.ext4 2>/dev/null | grep -q other
    fccompose cp big/random /new
    over
    fccompose rm /file7
    over
    fccompose mv /random /etc/random
    over
    changed_at_most 262144
    fccompose chmod 0600 /file9
    over
    changed_at_most 65536
    fccompose rm /new /sparse
    over
    head -c 20000000 /dev/urandom >big/large
    fccompose cp big/large /large
    over
    fccompose rm /large
    over
    fccompose --json freeze --verity append --sha256 out.ext4 >report
    [ "$(sha256sum out.ext4 | cut -d' ' -f1)" = "$(json sha256 <report)" ]
    json unchanged_bytes <report
    over # the tree is gone again
    fccompose commit -q edits
    again
    fccompose freeze --no-sync -q --free 30M out.ext4
    fccompose freeze --no-sync -q --free 30M --fresh fresh.ext4
    cmp out.ext4 fresh.ext4
    again
}

doubts_about_the_old_image() {
    fccompose init -q builtin:busybox
    fccompose freeze -q --free 4M out.ext4
    mkdir guest
    mount -o loop out.ext4 guest
    echo guest >guest/from-guest
    umount guest
    anew
    over
    printf X | dd of=out.ext4 bs=1 seek=100000 conv=notrunc status=none
    anew
    printf X | dd of=out.ext4 bs=1 seek=100000 conv=notrunc status=none
    touch -d '2020-01-01' out.ext4
    anew
    truncate -s 1M out.ext4
    anew
    cp out.ext4 copy.ext4
    mv copy.ext4 out.ext4
    anew
    over
    for damage in 'truncate -s 100' 'printf X >>' 'truncate -s 0' 'dd conv=notrunc status=none bs=1 seek=300 count=1 if=/dev/urandom of='; do
        fccompose freeze -q out.ext4
        for record in .fccompose/frozen/*; do eval "$damage$([[ $damage == *= ]] || echo ' ')$record"; done
        anew
    done
    rm -rf .fccompose/frozen
    anew
    rm out.ext4
    anew
    over
    for i in $(seq 8); do # killed and concurrent freezes
        fccompose write /etc/hostname "round $i"
        timeout -s KILL "0.0$i" fccompose freeze -q out.ext4 || true
        fccompose freeze -q out.ext4 & fccompose freeze -q out.ext4 & wait
        again
    done
}

# on FS FUNCTION: on a file system of its own, with the cache on it
on() {
    need_root
    need_loop
    need "mkfs.$1"
    truncate -s 700M disk
    PATH=$PATH:/usr/sbin:/sbin
    "mkfs.$1" -q disk >/dev/null
    mkdir host
    mount -o loop disk host || skip "cannot mount $1"
    cd host
    FCCOMPOSE_CACHE=$PWD/cache
    "$2"
}

@test "XFS: over the old image: the same bytes as afresh, whatever was edited" { on xfs edits_over_the_old_image; }
@test "btrfs: over the old image: the same bytes as afresh, whatever was edited" { on btrfs edits_over_the_old_image; }
@test "XFS: an old image that is not what we wrote is not used" { on xfs doubts_about_the_old_image; }
@test "btrfs: an old image that is not what we wrote is not used" { on btrfs doubts_about_the_old_image; }

@test "a host that shares no blocks is told what is as before" {
    anew
    over
    changed_at_most 0
    fccompose write /etc/hostname changed
    over
    changed_at_most 65536
    [ "$(stat -c %a .fccompose/frozen)" = 700 ]
}
