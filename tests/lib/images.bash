# SPDX-License-Identifier: Apache-2.0
# Images for tests, and what others unpack of them: load with `load ../lib/images`.
# shellcheck shell=bash

# one.tar, two.tar, three.tar: files of every kind, a whiteout, an opaque directory, owners, xattrs; and their folders.
make_layers() {
    mkdir -p one/dir/sub two/dir three/dir
    echo one >one/file && echo gone >one/gone && echo deep >one/dir/sub/deep && ln one/file one/link && ln -s file one/sym
    mkfifo one/fifo && chown 1000:100000 one/file && chmod 4755 one/gone && setfattr -n user.a -v b one/dir
    [ "$(id -u)" -ne 0 ] || setcap cap_net_raw+ep one/gone
    echo two >two/dir/new && touch two/.wh.gone
    touch three/dir/.wh..wh..opq && echo three >three/dir/only
    head -c 300000 /dev/urandom >three/random
    local l
    for l in one two three; do
        tar -C $l --xattrs --xattrs-include='*' --format=pax --sort=name -b1 -cf $l.tar .
    done
}

# A layout "lay" with an image of these layers.
make_layout() {
    make_layers
    gzip -kn two.tar && zstd -q three.tar -o three.tar.zst
    python3 "$LIB/make-image" lay v1 one.tar two.tar.gz three.tar.zst
}

# What umoci unpacks of LAYOUT:TAG, as a listing of this and that.
unpacked() {
    rm -rf bundle
    umoci unpack --image "$1" bundle >/dev/null
    "$LIB/manifest" bundle/rootfs
}

# The same of what fccompose makes of a locator, through its own tar and GNU tar.
ours() {
    rm -rf tree
    mkdir tree
    fccompose export -l "$1" - | tar -C tree --xattrs --xattrs-include='*' -xpf -
    "$LIB/manifest" tree
}
