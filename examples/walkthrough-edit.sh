#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Walk-through: stack two layers, edit the tree without a mount, look at the difference, keep it as a layer, freeze it.
#
#   PATH=build:$PATH examples/walkthrough-edit.sh [DIR]     (works everywhere: no root, no FUSE)
set -eu
dir=${1:-$(mktemp -d)}
mkdir -p "$dir/app/usr/local/bin"
cd "$dir"
printf '#!/bin/sh\necho "hello from the guest"\n' >app/usr/local/bin/hello
chmod 755 app/usr/local/bin/hello

# A stack: the lowest layer first. A directory is a layer too; here its files are to belong to root.
fccompose init builtin:busybox
fccompose layer add --owner 0:0 dir:app
fccompose layer ls

# The verbs work on the merged tree, with names and owners of the guest.
fccompose write /etc/hostname web
fccompose mkdir -p --owner 1000:1000 /srv/www
fccompose write /srv/www/index.html '<h1>it works</h1>'
fccompose mknod /dev/console2 c 5 1
fccompose ln -s /usr/local/bin/hello /usr/bin/hello
fccompose chmod 750 /srv/www

# What changed, and the same as a layer on top of the stack.
fccompose diff
fccompose commit web
fccompose layer ls
fccompose diff

# An exactly sized image with 8 MiB to spare.
fccompose freeze out.ext4 --free 8M
echo "made $dir/out.ext4"
