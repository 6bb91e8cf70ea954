#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Walk-through: mount the stack, work in it with ordinary tools, freeze while it is mounted, go back to the start.
#
#   PATH=build:$PATH examples/walkthrough-mount.sh [DIR]     (needs /dev/fuse; no root)
set -eu -o pipefail
dir=${1:-$(mktemp -d)}
mkdir -p "$dir"
cd "$dir"
fccompose init builtin:busybox
fccompose mount
trap 'fccompose umount || true' EXIT

# rootfs is a live tree: any program may work in it.
echo web >rootfs/etc/hostname
sed -i 's|^root:.*|root::0:0:root:/root:/bin/sh|' rootfs/etc/passwd
mkdir -p rootfs/srv
cp -r rootfs/etc rootfs/srv/etc-copy
rm -r rootfs/srv/etc-copy
mv rootfs/srv rootfs/data
chown 1000:1000 rootfs/data
fccompose status
fccompose diff

# Freezing does not disturb the mount: the image shows one moment.
fccompose freeze one.ext4
echo changed >rootfs/root/notes
fccompose freeze two.ext4
if cmp -s one.ext4 two.ext4; then
    echo "the second image should differ" >&2
    exit 1
fi

# Take one edit back, then all of them. /root has no other edit, so that not even its times tell of this one.
fccompose reset /root/notes
fccompose freeze three.ext4
cmp one.ext4 three.ext4
echo "one and three are the same bytes"
fccompose reset
fccompose diff | cmp - /dev/null
echo "nothing is changed any more"
