#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Images read back: ls, cat, export and freeze of ext2, ext3 and ext4 images, judged by the kernel's mount and by GNU tar.
load ../lib/common

setup() {
    need e2fsck mke2fs python3
    enter_workdir
}
teardown() { leave_workdir; }

# A random tree of everything in one tar, in the form in which we export: $WORK/whole.tar. random_tar SEED
random_tar() {
    "$LIB/random-tree" "$1" layers || return 1
    local l layers=()
    for l in layers/*.tar; do layers+=(-l "$l"); done
    fccompose export -q "${layers[@]}" whole.tar
}

# What an image exports, unpacked by GNU tar and described: exported_manifest IMAGE OUT
exported_manifest() {
    fccompose export -q -i "$1" exported.tar || return 1
    rm -rf exported
    mkdir exported
    tar -C exported --numeric-owner --same-owner -p --xattrs --xattrs-include='*' --acls -xf exported.tar 2>tar.log || { cat tar.log; return 1; }
    manifest exported >"$2"
}

# An image as the kernel mounts it is the image as it is exported, also when it is frozen again.
same_as_kernel() {
    image_manifest "$1" kernel.txt && exported_manifest "$1" tar.txt || return 1
    same_manifest kernel.txt tar.txt || { echo "the tar of $1 is not what the kernel shows"; return 1; }
    fccompose freeze -q -i "$1" again.ext4 --free 1M && fsck_clean again.ext4 || return 1
    fccompose export -q -i again.ext4 - | cmp - exported.tar || { echo "$1 frozen again is another tree"; return 1; }
}

@test "image to tar to layer to image: the same bytes" {
    need_root
    local seed
    for seed in ${FC_SEEDS:-3 9 13}; do
        rm -rf layers
        random_tar "$seed"
        fccompose freeze -q -l whole.tar one.ext4
        fccompose export -q -i one.ext4 again.tar
        cmp whole.tar again.tar
        fccompose freeze -q -l again.tar two.ext4
        cmp one.ext4 two.ext4
        fccompose freeze -q -l whole.tar --inline-data --inode-size 512 inline.ext4
        fccompose export -q -i inline.ext4 again.tar
        cmp whole.tar again.tar
    done
}

@test "an image frozen again is the same tree, and the same bytes each time" {
    need_root
    need_loop
    random_tar 5
    fccompose freeze -q -l whole.tar --size 300M big.ext4
    image_manifest big.ext4 big.txt
    fccompose freeze -q -i big.ext4 small.ext4
    fccompose freeze -q -i big.ext4 - | cmp small.ext4 -
    [ "$(stat -c %s small.ext4)" -lt 200000000 ]
    fsck_clean small.ext4
    image_manifest small.ext4 small.txt
    same_manifest big.txt small.txt
    fccompose freeze -q -i small.ext4 --inode-size 512 --no-journal --label new other.ext4
    fsck_clean other.ext4
    image_manifest other.ext4 other.txt
    same_manifest big.txt other.txt
}

@test "images that the kernel wrote, of every kind" {
    need_root
    need_loop
    local kind
    mkdir memory
    mount -t tmpfs none memory # so that nothing waits for a disk
    cd memory
    while read -r kind; do
        rm -f made.img
        truncate -s 64M made.img
        # shellcheck disable=SC2086
        mke2fs -q -F -N 4096 $kind made.img 2>/dev/null
        mkdir -p mnt
        # Delayed allocation: Linux 6.18 answers ERANGE now and then to an append to an inline file of its own.
        local how=loop,user_xattr,acl
        [[ $kind != *inline_data* ]] || how+=,nodelalloc
        mount -o "$how" made.img mnt
        "$LIB/fill-tree" "$PWD/mnt"
        umount mnt
        same_as_kernel made.img || { echo "mke2fs $kind"; return 1; }
    done <<'END'
-t ext2 -b 1024
-t ext3 -b 2048 -J size=4
-t ext2 -b 4096 -I 128 -O ^dir_index,^filetype
-t ext4 -b 1024 -O inline_data,^has_journal -I 512
-t ext4 -b 4096 -O ea_inode,inline_data,^64bit
-t ext4 -b 4096 -O bigalloc,^resize_inode -C 65536
-t ext4 -b 4096 -O ^metadata_csum,uninit_bg,^flex_bg,meta_bg,^resize_inode,large_dir,sparse_super2
END
}

@test "values of attributes in inodes of their own" {
    need_root
    need_loop
    truncate -s 32M ea.img
    mke2fs -q -F -t ext4 -O ea_inode ea.img
    mkdir mnt
    mount -o loop ea.img mnt
    head -c 20000 /dev/urandom | od -An -tx1 -v | tr -d ' \n' >value
    touch mnt/one mnt/two
    python3 -c 'import os; [os.setxattr("mnt/" + n, "user.large", bytes.fromhex(open("value").read())) for n in ("one", "two")]'
    umount mnt
    fccompose export -q -i ea.img ea.tar
    fccompose freeze -q -i ea.img again.ext4
    fsck_clean again.ext4
    fccompose export -q -i again.ext4 - | cmp - ea.tar
    python3 - <<'END'
import tarfile
value = bytes.fromhex(open("value").read())
for m in tarfile.open("ea.tar", errors="surrogateescape", encoding="utf-8"):
    if m.name.strip("./") in ("one", "two"):
        assert m.pax_headers["SCHILY.xattr.user.large"].encode("utf-8", "surrogateescape") == value, m.name
        print(m.name)
END
}

@test "images that mke2fs -d made, with blocks of up to 64 KiB" {
    need_root
    mkdir tree
    head -c 5000 /dev/urandom >tree/a
    head -c 300000 /dev/urandom >tree/b
    ln tree/a tree/c
    ln -s "$(printf '%0200d' 0)" tree/link
    mkdir tree/d
    for n in $(seq 400); do echo "$n" >"tree/d/$n"; done
    find tree -exec touch -h -d @1700000000 {} + # mke2fs keeps whole seconds
    manifest tree --no-holes | tail -n +2 >tree.txt # the root's time is that of mke2fs
    for size in 1024 4096 65536; do
        rm -f made.img
        truncate -s 64M made.img
        mke2fs -q -F -t ext4 -b $size -d tree made.img 2>/dev/null
        exported_manifest made.img tar.txt
        manifest exported --no-holes | tail -n +2 >tar.txt
        same_manifest tree.txt tar.txt || { echo "blocks of $size"; return 1; }
    done
}

@test "files at large offsets, and what is behind their end" {
    need_root
    need_loop
    truncate -s 64M made.img
    mke2fs -q -F -t ext4 -b 4096 made.img
    mkdir mnt
    mount -o loop made.img mnt
    for at in $((1 << 32)) $((1 << 40)) $((15 << 40)); do printf 'tail' | dd of=mnt/far bs=1 seek=$at conv=notrunc status=none; done
    echo reserved >mnt/reserved && fallocate -n -l 2M mnt/reserved
    fallocate -l 2M mnt/unwritten
    umount mnt
    fccompose ls -l -i made.img | grep -q " $(((15 << 40) + 4)) .*far"
    # The kernel counts the blocks: three of the first, one of the second, none of the third.
    fccompose freeze -q -i made.img again.ext4
    fsck_clean again.ext4
    for f in far:24 reserved:8 unwritten:0; do
        debugfs -R "stat /${f%:*}" again.ext4 2>/dev/null | grep -q "Blockcount: ${f#*:}$" || { debugfs -R "stat /${f%:*}" again.ext4; return 1; }
    done
    mount -o loop,ro again.ext4 mnt
    [ "$(tail -c 4 mnt/far)" = tail ]
    [ "$(cat mnt/reserved)" = reserved ]
    [ "$(stat -c %s mnt/unwritten)" = 2097152 ]
    umount mnt
}

@test "ls and cat of an image" {
    fccompose freeze -q -l builtin:busybox img.ext4
    fccompose ls -R -i img.ext4 >image.txt
    fccompose ls -R --layer builtin:busybox >layer.txt
    cmp image.txt layer.txt
    fccompose ls -lR -i img.ext4 >image.txt
    fccompose ls -lR --layer builtin:busybox >layer.txt
    cmp image.txt layer.txt
    fccompose cat -i img.ext4 /bin/busybox >image.txt
    fccompose cat -l builtin:busybox /bin/busybox | cmp - image.txt
    fccompose cat -i img.ext4 /bin/busybox /init >image.txt
    fccompose cat -l builtin:busybox /bin/busybox /init | cmp - image.txt
    fccompose --json ls -i img.ext4 /etc | python3 -m json.tool >/dev/null
    run fccompose cat -i img.ext4 /no/such
    [ "$status" -eq 1 ]
    [[ $output == *"/no/such: No such file"* ]]
    run fccompose ls -i img.ext4 --layer builtin:busybox
    [ "$status" -eq 2 ]
    run fccompose export -i - out.tar
    [ "$status" -eq 2 ]
    [[ $output == *"standard input"* ]]
}

@test "an image given as a layer: the error says the next step, which works" {
    fccompose freeze -q -l builtin:busybox img.ext4
    run fccompose init ./img.ext4
    [ "$status" -eq 1 ]
    [[ $output == *"ext4 image, not a tar"*"fccompose export -i ./img.ext4 - | fccompose init -"* ]]
    run fccompose freeze -l img.ext4 out.ext4
    [ "$status" -eq 1 ]
    [[ $output == *"export -i"* ]]
    fccompose export -q -i ./img.ext4 - | fccompose init -q -
    gzip -c img.ext4 >img.gz
    run fccompose freeze -l img.gz out.ext4
    [ "$status" -eq 1 ]
    [[ $output == *"not a tar archive"*"export -i"* ]]
    fccompose ls -R >workspace.txt
    fccompose ls -R -i img.ext4 | cmp - workspace.txt
}

@test "a journal with writes in it is a warning, and e2fsck -p what it says" {
    need_root
    need_loop
    truncate -s 32M made.img
    mke2fs -q -F -t ext4 made.img
    mkdir mnt
    mount -o loop made.img mnt
    echo content >mnt/file
    sync
    cp made.img copy.img # as a machine's disk is copied while it runs
    umount mnt
    run fccompose ls -i copy.img
    [ "$status" -eq 0 ]
    [[ $output == *"copy.img was not unmounted"*"e2fsck -p copy.img"* ]]
    run fccompose cat -i copy.img /file /file
    [ "$(grep -c "was not unmounted" <<<"$output")" -le 1 ]
    e2fsck -p copy.img >/dev/null || [ $? -le 1 ]
    run fccompose cat -i copy.img /file
    [ "$output" = content ]
}

@test "the image is only read" {
    fccompose freeze -q -l builtin:busybox img.ext4
    chmod 444 img.ext4
    before=$(sha256sum <img.ext4; stat -c %Y.%s.%h.%i img.ext4)
    fccompose ls -i img.ext4 >/dev/null
    fccompose export -q -i img.ext4 out.tar
    fccompose freeze -q -i img.ext4 other.ext4
    [ "$before" = "$(sha256sum <img.ext4; stat -c %Y.%s.%h.%i img.ext4)" ]
    fccompose freeze -q -i img.ext4 img.ext4 # onto itself: the new image takes the old one's name
    cmp img.ext4 other.ext4
    fccompose export -q -i img.ext4 - | cmp - out.tar
}

@test "a block device is read, and not frozen onto itself" {
    need_root
    need_loop
    fccompose freeze -q -l builtin:busybox img.ext4
    dev=$(losetup -f --show img.ext4)
    before=$(sha256sum <img.ext4)
    fccompose export -q -i "$dev" - >dev.tar
    run fccompose freeze -i "$dev" "$dev"
    losetup -d "$dev"
    [ "$status" -eq 1 ]
    [[ $output == *"freeze it into a file first"* ]]
    [ "$before" = "$(sha256sum <img.ext4)" ]
    fccompose export -q -i img.ext4 - | cmp - dev.tar
}

@test "a name that a layer would take for a removal is kept, with a warning" {
    fccompose init -q builtin:busybox
    fccompose write /etc/.wh.hostname x
    fccompose freeze -q img.ext4
    run fccompose export -i img.ext4 out.tar
    [ "$status" -eq 0 ]
    [[ $output == *'"/etc/.wh.hostname" begins with ".wh."'* ]]
    tar -tf out.tar | grep -q 'etc/\.wh\.hostname$'
}

@test "what is no image, and what cannot be read, in words" {
    mkdir dir
    run fccompose ls -i dir
    [ "$status" -eq 1 ]
    [[ $output == *"dir is a folder"* ]]
    run fccompose ls -i none.ext4
    [[ $output == *"none.ext4: No such file"* ]]
    fccompose freeze -q -l builtin:busybox img.ext4
    gzip -k img.ext4
    run fccompose ls -i img.ext4.gz
    [[ $output == *"gunzip it first"* ]]
    # A disk with a partition: the command in the words takes it out.
    truncate -s 40M disk.img
    dd if=img.ext4 of=disk.img bs=1M seek=1 conv=notrunc status=none
    printf '\000\000\000\000\203\000\000\000\000\010\000\000\000\140\000\000' | dd of=disk.img bs=1 seek=446 conv=notrunc status=none
    printf '\125\252' | dd of=disk.img bs=1 seek=510 conv=notrunc status=none
    run fccompose ls -i disk.img
    [ "$status" -eq 1 ]
    [[ $output == *"partition table"* ]]
    eval "$(grep -o 'dd if=.*count=[0-9]*' <<<"$output") status=none"
    fccompose ls -R -i part.ext4 >part.txt
    fccompose ls -R -i img.ext4 | cmp - part.txt
    # Damage in a checksummed inode table.
    block=$(dumpe2fs img.ext4 2>/dev/null | awk '/Inode table at/ { sub(/-.*/, "", $4); print $4; exit }')
    printf 'x' | dd of=img.ext4 bs=1 seek=$((block * 4096 + 256 + 8)) conv=notrunc status=none
    run fccompose export -i img.ext4 out.tar
    [ "$status" -eq 1 ]
    [[ $output == *"img.ext4: "*"checksum"* ]]
    [ ! -e out.tar ]
}
