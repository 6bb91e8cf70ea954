#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# A Debian minbase tree, as one layer and cut into six with whiteouts, opaque directories, replaced types and hard links.
load ../lib/common

setup_file() {
    can need_root need_minbase || return 0
    enter_workdir
    export WORK MINBASE
    "$LIB/split-layers" "$MINBASE" layers
    SIX=(layers/1.tar layers/2.tar layers/3.tar layers/4.tar layers/5.tar layers/6.tar)
    mkdir one
    tar -C one --numeric-owner -p --xattrs --xattrs-include='*' --acls -xf "$MINBASE" 2>/dev/null || true
    manifest one >one.manifest
    rm -rf one
    "$LIB/apply-layers" six "${SIX[@]}" 2>/dev/null
    manifest six >six.manifest
    rm -rf six
    fccompose freeze -q -l "$MINBASE" one.ext4 --free 32M
    fccompose freeze -q $(printf -- '-l %s ' "${SIX[@]}") six.ext4 --free 32M
}
teardown_file() { [ -z "${WORK:-}" ] || leave_workdir; }
setup() {
    need_root
    need_minbase
    FCCOMPOSE_CACHE=$WORK/cache
    cd "$WORK"
    SIX=(layers/1.tar layers/2.tar layers/3.tar layers/4.tar layers/5.tar layers/6.tar)
}

@test "debian: e2fsck finds nothing in either image" {
    fsck_clean one.ext4
    fsck_clean six.ext4
}

@test "debian: the kernel's mount of one layer equals GNU tar's extraction" {
    need_loop
    image_manifest one.ext4 image.manifest
    same_manifest one.manifest image.manifest
}

@test "debian: the kernel's mount of six layers equals the layers applied by hand" {
    need_loop
    image_manifest six.ext4 image.manifest
    same_manifest six.manifest image.manifest
}

@test "debian: the live tree of six layers equals the layers applied by hand" {
    need_fuse
    mkdir -p live
    fccompose mount -q $(printf -- '-l %s ' "${SIX[@]}") live
    manifest live >live.manifest
    fccompose umount live
    same_manifest six.manifest live.manifest
}

@test "debian: the cut layers merge as the kernel's overlayfs merges them" {
    # Each layer alone, whiteouts turned into overlayfs's own marks: the kernel does the merging.
    need_loop
    local lower='' n
    for n in 1 2 3 4 5 6; do
        "$LIB/overlay-layer" "layers/$n.tar" "ovl/$n" || skip "cannot make overlayfs layers here"
        lower=$WORK/ovl/$n${lower:+:$lower}
    done
    mkdir -p merged
    mount -t overlay overlay -o "ro,lowerdir=$lower" merged || skip "no overlayfs here"
    manifest merged --no-holes >merged.all
    umount merged
    image_manifest six.ext4 image.manifest
    # What overlayfs cannot say: hard links between layers, the inode counts with them, and times of merged directories.
    for f in merged.all image.manifest; do
        sed -E 's/ (nlink|group|data)=[^ ]*//g' "$f" | grep -v '^\(opt/link-to-lower\|opt/second-link\|opt/link-to-symlink\|dev/zero-zero\) ' |
            sed -E 's/^([^ ]+ d [0-7]+ [0-9:]+) [0-9-]+/\1/' >"$f.cut"
    done
    same_manifest merged.all.cut image.manifest.cut
}

@test "debian: resize2fs grows it and it stays clean" {
    cp six.ext4 grown.ext4
    truncate -s 1G grown.ext4
    run resize2fs grown.ext4
    [ "$status" -eq 0 ]
    fsck_clean grown.ext4
}

@test "debian: an ordinary user freezes six layers to the same bytes" {
    start_user
    cp -r layers user/layers
    as_user "fccompose freeze -q $(printf -- '-l %s ' "${SIX[@]}") six.ext4 --free 32M"
    cmp six.ext4 user/six.ext4
}

@test "debian: boots to a prompt under user-mode Linux" {
    boot_uml one.ext4 /bin/bash 'echo prompt-$((40+2)); cat /etc/debian_version' 'prompt-42'
}

@test "debian: boots to a prompt under QEMU with the 6.1 guest kernel" {
    boot_qemu six.ext4 /bin/bash 'echo prompt-$((40+2))' 'prompt-42'
}
