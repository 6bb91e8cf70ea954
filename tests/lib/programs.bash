# SPDX-License-Identifier: Apache-2.0
# Verbs for the tests that run real programs in the mount: load ../lib/programs, after common.
# shellcheck shell=bash

# A workspace of LAYERS in the directory NAME, mounted on NAME/rootfs: mounted_workspace NAME LAYER...
mounted_workspace() {
    local where=$1
    shift
    mkdir -p "$where"
    fccompose -C "$where" init -q "$@" && fccompose -C "$where" mount -q
}

# Unmount and mount again: what the kernel knew is gone.
remounted() { fccompose -C "$1" umount && fccompose -C "$1" mount -q; }

# Have the kernel forget every name and inode of the mount that nobody holds open, and nothing of other file systems.
forgotten() { mount -i -o remount,rw "$1"; }

# What the mount of the workspace shows is what its image holds, and e2fsck finds nothing in that: same_as_image WORKSPACE
same_as_image() {
    manifest "$1/rootfs" >"$WORK/live.manifest" || return 1
    fccompose -C "$1" freeze -q "$WORK/out.ext4" --free 4M || return 1
    fsck_clean "$WORK/out.ext4" || return 1
    image_manifest "$WORK/out.ext4" "$WORK/image.manifest" || return 1
    rm "$WORK/out.ext4"
    same_manifest "$WORK/live.manifest" "$WORK/image.manifest"
}

# No difference between two trees in either direction, by rsync: contents, owners, modes, times, links, ACLs, xattrs, devices.
same_by_rsync() {
    (rsync -aHAXn --checksum --delete -i "$1/" "$2/" && rsync -aHAXn --checksum --delete -i "$2/" "$1/") >"$WORK/rsync.out" &&
        [ ! -s "$WORK/rsync.out" ] || { head -n 20 "$WORK/rsync.out"; return 1; }
}

# DIR as a tar that depends on nothing but the tree: tar_of DIR [NAME...]
tar_of() {
    local where=$1
    shift
    tar -C "$where" --sort=name --format=posix --pax-option=delete=atime,delete=ctime --numeric-owner --acls --xattrs \
        --xattrs-include='*' --selinux -cf - "${@:-.}"
}

# Unpack the tar on stdin or FILE into DIR with all that it says: untar DIR [FILE]
untar() {
    mkdir -p "$1"
    tar -C "$1" --numeric-owner -p --acls --xattrs --xattrs-include='*' -xf "${2:--}"
}
