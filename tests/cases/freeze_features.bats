#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# freeze: features of ext4 and the options that choose them, judged by e2fsprogs and the kernel.
load ../lib/common

setup() {
    enter_workdir
    fccompose init -q builtin:busybox
    fccompose write /etc/hostname web
}
teardown() { leave_workdir; }

# The features that dumpe2fs sees, in its order.
features_of() { dumpe2fs -h "$1" 2>/dev/null | sed -n 's/^Filesystem features: *//p'; }

# Mount IMAGE on $WORK/mnt, as its guest would.
mount_image() {
    mkdir -p mnt
    mount -o "loop,${2:-rw}" "$1" mnt
}

@test "--profile: just these features, clean to e2fsck, and the kernel writes to it" {
    base='has_journal ext_attr resize_inode dir_index filetype extent'
    tail='flex_bg sparse_super large_file huge_file dir_nlink extra_isize'
    declare -A want=(
        [5.10]="$base 64bit $tail metadata_csum"
        [6.1]="$base 64bit flex_bg metadata_csum_seed ${tail#flex_bg } metadata_csum"
        [6.18]="${base/dir_index/dir_index orphan_file} 64bit flex_bg metadata_csum_seed ${tail#flex_bg } metadata_csum"
        [compat]="$base flex_bg sparse_super large_file huge_file uninit_bg dir_nlink extra_isize"
    )
    for profile in 5.10 6.1 6.18 compat; do
        fccompose freeze -q --profile $profile --free 8M $profile.ext4
        [ "$(features_of $profile.ext4)" = "${want[$profile]}" ] || { features_of $profile.ext4; return 1; }
        fsck_clean $profile.ext4
    done
    fccompose freeze -q --free 8M default.ext4
    cmp default.ext4 5.10.ext4
    need_root
    need_loop
    for profile in 5.10 6.1 6.18 compat; do
        image_manifest $profile.ext4 $profile.manifest
        same_manifest 5.10.manifest $profile.manifest
        mount_image $profile.ext4
        dd if=/dev/urandom of=mnt/new bs=1M count=2 status=none
        mkdir mnt/dir && rm -r mnt/etc
        umount mnt
        fsck_clean $profile.ext4
    done
}

@test "--profile compat over many groups and large directories" {
    mkdir -p tree/many tree/pack
    (cd tree/many && seq -f 'a-name-of-some-length-%05g' 3000 | xargs touch)
    for i in $(seq 20); do head -c 9000000 /dev/urandom >tree/pack/$i; done
    tar -C tree --format=pax -cf t.tar .
    fccompose freeze -q -l t.tar --profile compat --size 700M o.ext4
    fsck_clean o.ext4
    need_root
    need_loop
    image_manifest o.ext4 o.manifest
    manifest tree >want.manifest
    same_manifest want.manifest o.manifest
}

@test "a profile that is none, and a journal out of bounds, are told in words" {
    run fccompose freeze --profile 7.0 o.ext4
    [ "$status" -eq 2 ]
    [[ $output == *"--profile: 7.0: expected 5.10, 6.1, 6.18 or compat"* ]]
    run fccompose freeze --journal 0 o.ext4
    [ "$status" -eq 1 ]
    [[ $output == *"too small"*4194304* ]]
    run fccompose freeze --journal 4194303 o.ext4
    [ "$status" -eq 1 ]
    run fccompose freeze --journal 40G o.ext4
    [ "$status" -eq 1 ]
    [[ $output == *"too large"* ]]
    run fccompose freeze --no-journal --journal 8M o.ext4
    [ "$status" -eq 2 ]
    [[ $output == *contradict* ]]
    [ ! -e o.ext4 ]
}

@test "--journal: the least, one of several extents, none" {
    fccompose freeze -q --journal 4M least.ext4
    fsck_clean least.ext4
    dumpe2fs least.ext4 2>/dev/null | grep -q 'Total journal blocks: *1024'
    fccompose freeze -q --journal 300M large.ext4
    fsck_clean large.ext4
    dumpe2fs large.ext4 2>/dev/null | grep -q 'Total journal blocks: *76800'
    fccompose freeze -q --journal none none.ext4
    fsck_clean none.ext4
    [[ $(features_of none.ext4) != *journal* ]]
    fccompose freeze -q --no-journal same.ext4
    cmp none.ext4 same.ext4
    need_root
    need_loop
    for i in least large none; do
        mount_image $i.ext4
        rm mnt/etc/hostname
        umount mnt
        fsck_clean $i.ext4
    done
}

@test "--inodes auto is the default, N is at least N" {
    fccompose freeze -q a.ext4
    fccompose freeze -q --inodes auto b.ext4
    cmp a.ext4 b.ext4
    fccompose freeze -q --inodes 5000 c.ext4
    fsck_clean c.ext4
    [ "$(dumpe2fs -h c.ext4 2>/dev/null | awk '/^Inode count/ { print $3 }')" -ge 5000 ]
    run fccompose freeze --inodes some d.ext4
    [ "$status" -eq 2 ]
}

@test "--clamp-mtime: later times become SOURCE_DATE_EPOCH, earlier ones stay" {
    mkdir tree
    touch -d @1000000000.5 tree/before
    touch -d @1500000000 tree/same
    touch -d @1500000000.000000001 tree/after
    touch -d @1700000000 tree/long-after
    tar -C tree --format=pax -cf t.tar .
    run env -u SOURCE_DATE_EPOCH fccompose freeze --clamp-mtime -l t.tar o.ext4
    [ "$status" -eq 2 ]
    [[ $output == *SOURCE_DATE_EPOCH* ]]
    SOURCE_DATE_EPOCH=1500000000 fccompose freeze -q --clamp-mtime -l t.tar o.ext4
    fsck_clean o.ext4
    # shellcheck disable=SC2013
    for f in before same after long-after /; do
        debugfs -R "stat $f" o.ext4 2>/dev/null | sed -n 's/^ *\(.*time\): 0x\([0-9a-f]*\):\([0-9a-f]*\).*/\1 \2 \3/p' >times
        [ "$(wc -l <times)" -eq 4 ]
        while read -r which sec extra; do
            [ $((16#$sec)) -le 1500000000 ]
            if [ $f != before ]; then [ $((16#$sec)) -eq 1500000000 ] && [ $((16#$extra)) -eq 0 ]; fi
        done <times
    done
    debugfs -R 'stat before' o.ext4 2>/dev/null | grep -q 'mtime: 0x3b9aca00:77359400'
}

@test "attributes up to 64 KiB: what inode and block cannot hold has inodes of its own" {
    python3 - <<'PY'
import io, tarfile, random
rnd = random.Random(1)
with tarfile.open("t.tar", "w", format=tarfile.PAX_FORMAT) as t:
    for name, size in (("a", 5000), ("b", 65536), ("c", 65536), ("d", 10)):
        info = tarfile.TarInfo(name)
        value = "".join(rnd.choices("abcdefgh", k=size)) if name != "c" else same
        same = value
        info.pax_headers = {"SCHILY.xattr.user.large": value, "SCHILY.xattr.user.small": "s" * 30}
        t.addfile(info)
        open(name + ".value", "w").write(value)
PY
    fccompose freeze -q -l t.tar o.ext4
    fsck_clean o.ext4
    [[ $(features_of o.ext4) == *ea_inode* ]]
    run fccompose freeze --profile compat -l t.tar no.ext4
    [ "$status" -eq 1 ]
    [[ $output == *"/a: its extended attributes need more than the 4 KiB that ext4 has for them without ea_inode, which the profile compat lacks"* ]]
    need_root
    need_loop
    mount_image o.ext4 ro
    for f in a b c d; do
        getfattr --only-values -n user.large mnt/$f | cmp - $f.value
        [ "$(getfattr --only-values -n user.small mnt/$f)" = ssssssssssssssssssssssssssssss ]
    done
    umount mnt
}

@test "--inline-data: smaller, and a guest that makes data grow out of its inode finds all of it" {
    mkdir -p tree/d/e/f tree/empty
    for i in 1 59 60 61 127 128 129 5000; do head -c $i /dev/urandom >tree/d/$i; done
    for i in a b c; do echo $i >tree/d/e/f/$i; done
    setfattr -n user.x -v 0123456789012345678901234567890 tree/d/60
    setfattr -n user.x -v hello tree/d/e
    tar -C tree --format=pax --xattrs -cf t.tar .
    fccompose freeze -q -l t.tar plain.ext4
    fccompose freeze -q --inline-data -l t.tar small.ext4
    # 9 files and 4 directories less, and a block of attributes more
    [ "$(stat -c %s small.ext4)" -le $(($(stat -c %s plain.ext4) - 11 * 4096)) ]
    fsck_clean small.ext4
    [[ $(features_of small.ext4) == *inline_data* ]]
    for i in 60 128 61; do debugfs -R "cat d/$i" small.ext4 2>/dev/null | cmp - tree/d/$i; done
    run fccompose freeze --inline-data --profile compat -l t.tar no.ext4
    [ "$status" -eq 1 ]
    [[ $output == *"inline_data, which the profile compat lacks"* ]]
    need_root
    need_loop
    fccompose freeze -q --inline-data --free 4M -l t.tar o.ext4
    manifest tree >want.manifest
    image_manifest o.ext4 o.manifest
    same_manifest want.manifest o.manifest
    mount_image o.ext4
    for i in 1 60 127 128; do echo more >>mnt/d/$i; echo more >>tree/d/$i; done
    for d in d/e d/e/f empty; do touch mnt/$d/a-name-that-is-long-{1..9} tree/$d/a-name-that-is-long-{1..9}; done
    setfattr -n user.y -v "$(printf 'y%.0s' {1..90})" mnt/d/60
    diff -r --exclude lost+found tree mnt
    umount mnt
    fsck_clean o.ext4
}

@test "--read-only: nothing free, and the kernel does not write to it" {
    fccompose rm /etc/hostname
    fccompose freeze -q --read-only o.ext4
    fsck_clean o.ext4
    [ "$(dumpe2fs -h o.ext4 2>/dev/null | awk '/^Free blocks/ { print $3 }')" = 0 ]
    [ "$(dumpe2fs -h o.ext4 2>/dev/null | awk '/^Free inodes/ { print $3 }')" -le 16 ]
    [[ $(features_of o.ext4) == *read-only* ]]
    fccompose freeze -q --read-only --compact same.ext4
    cmp o.ext4 same.ext4
    run fccompose freeze --read-only --free 1M no.ext4
    [ "$status" -eq 1 ]
    [[ $output == *"as small as its content"* ]]
    need_root
    need_loop
    mount_image o.ext4
    grep -q "$WORK/mnt ext4 ro," /proc/mounts
    [ -x mnt/bin/busybox ]
    umount mnt
}

@test "--selinux-contexts: labels as the rules say, in place of the layers' own" {
    need setfattr
    mkdir -p tree/etc tree/proc tree/a-link-later
    echo x >tree/etc/shadow
    ln tree/etc/shadow tree/a-link-later/shadow
    echo x >tree/proc/kept
    mknod tree/fifo p
    tar -C tree --format=pax -cf - . | python3 -c '
import sys, tarfile
with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as i, tarfile.open("t.tar", "w", format=tarfile.PAX_FORMAT) as o:
    for m in i:
        if m.name in ("./etc/shadow", "./proc/kept", "./a-link-later/shadow") and m.isreg():
            m.pax_headers["RHT.security.selinux"] = "unconfined_u:object_r:old_t:s0"
        o.addfile(m, i.extractfile(m) if m.isreg() else None)'
    cat >contexts <<'RULES'
/                     -d      system_u:object_r:root_t:s0
/etc(/.*)?                    system_u:object_r:etc_t:s0
/etc/shadow           --      system_u:object_r:shadow_t:s0
/a-link-later/shadow  --      system_u:object_r:first_name_t:s0
/fifo                 -p      system_u:object_r:fifo_t:s0
/lost\+found          -d      system_u:object_r:lost_found_t:s0
/proc/.*                      <<none>>
RULES
    fccompose freeze -q -l t.tar kept.ext4
    fccompose freeze -q -l t.tar --selinux-contexts contexts o.ext4
    fsck_clean kept.ext4
    fsck_clean o.ext4
    run fccompose freeze -l t.tar --selinux-contexts no-such-file no.ext4
    [ "$status" -eq 1 ]
    [[ $output == *no-such-file* ]]
    echo '/etc no-label' >bad
    run fccompose freeze -l t.tar --selinux-contexts bad no.ext4
    [ "$status" -eq 1 ]
    [[ $output == *'"no-label", for /etc, is no SELinux label'* ]]
    [ ! -e no.ext4 ]
    need_root
    need_loop
    label() { getfattr -h --only-values --absolute-names -n security.selinux "mnt/$1" | tr '\0' '|'; }
    mount_image kept.ext4 ro
    [[ $(label etc/shadow) == unconfined_u:object_r:old_t:s0* ]]
    umount mnt
    mount_image o.ext4 ro
    [ "$(label .)" = 'system_u:object_r:root_t:s0|' ]
    [ "$(label etc)" = 'system_u:object_r:etc_t:s0|' ]
    [ "$(label etc/shadow)" = 'system_u:object_r:first_name_t:s0|' ]
    [ "$(label fifo)" = 'system_u:object_r:fifo_t:s0|' ]
    [ "$(label lost+found)" = 'system_u:object_r:lost_found_t:s0|' ]
    [[ $(label proc/kept) == unconfined_u:object_r:old_t:s0* ]]
    ! getfattr -n security.selinux mnt/a-link-later 2>/dev/null
    umount mnt
}

@test "--profile 6.18: the orphan file notes an open file without a name, and e2fsck frees it" {
    fccompose freeze -q --profile 6.18 --free 8M o.ext4
    fccompose freeze -q --profile 6.18 --no-journal none.ext4
    [[ $(features_of none.ext4) != *orphan_file* ]]
    fsck_clean none.ext4
    need_root
    need_loop
    [ "$(uname -r | cut -d. -f1)" -ge 6 ] || skip "needs Linux 6"
    mount_image o.ext4
    exec 7>mnt/gone
    head -c 100000 /dev/urandom >&7
    rm mnt/gone
    sync -f mnt
    cp o.ext4 crashed.ext4
    exec 7>&-
    umount mnt
    fsck_clean o.ext4
    run e2fsck -fy crashed.ext4
    [ "$status" -le 1 ]
    [[ $output == *[Cc]lear*orphan* ]] || { echo "$output"; return 1; }
    fsck_clean crashed.ext4
}
