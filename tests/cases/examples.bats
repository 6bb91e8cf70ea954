#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The example programs and walk-throughs run as their texts say; make install gives what a user needs.
load ../lib/common

setup() { enter_workdir; }
teardown() { leave_workdir; }

@test "example: list_layer" {
    "$B/examples/list_layer" builtin:busybox >out
    grep -q ' /bin/busybox' out
    run "$B/examples/list_layer" no-such-layer
    [ "$status" -eq 1 ]
    [[ $output == *no-such-layer* ]]
}

@test "example: fold_layers" {
    mkdir -p app/opt
    echo x >app/opt/app
    "$B/examples/fold_layers" builtin:busybox dir:app >out
    grep -q '^   1 .*app$' out
    grep -q '^   0 .*busybox$' out
}

@test "example: freeze" {
    "$B/examples/freeze" out.ext4 builtin:busybox
    fsck_clean out.ext4
}

@test "example: read_image" {
    "$B/examples/freeze" out.ext4 builtin:busybox
    "$B/examples/read_image" out.ext4 >out
    grep -q '^100755 .* /bin/busybox$' out
    run "$B/examples/read_image" out
    [ "$status" -eq 1 ]
    [[ $output == *"holds no ext2"* ]]
}

@test "walk-through: editing without a mount" {
    "$ROOT/examples/walkthrough-edit.sh" "$WORK/w"
    fsck_clean w/out.ext4
}

@test "walk-through: working in the mount" {
    need_fuse
    "$ROOT/examples/walkthrough-mount.sh" "$WORK/w"
    fsck_clean w/two.ext4
}

@test "make install and uninstall" {
    [ -z "${FC_TEST_SANITIZED:-}" ] || skip "the plain build is installed, not the sanitized one"
    make -s -C "$ROOT" install DESTDIR="$WORK/dest" PREFIX=/usr
    [ "$("$WORK/dest/usr/bin/fccompose" --version)" = "fccompose $(sed -n 's/.*FCCOMPOSE_VERSION "\(.*\)".*/\1/p' "$ROOT/include/fccompose/fccompose.h")" ]
    PKG_CONFIG_PATH=$WORK/dest/usr/lib/pkgconfig pkg-config --define-variable=prefix="$WORK/dest/usr" --cflags --libs fccompose >flags
    # shellcheck disable=SC2046
    cc -o list "$ROOT/examples/list_layer.c" $(cat flags)
    LD_LIBRARY_PATH=$WORK/dest/usr/lib ./list builtin:busybox >/dev/null
    local c
    "$WORK/dest/usr/bin/fccompose" help --list >names
    while read -r c; do [ -s "dest/usr/share/man/man1/fccompose-${c// /-}.1" ]; done <names
    [ "$(find dest/usr/share/man/man1 -name 'fccompose*.1' | wc -l)" -eq $(($(wc -l <names) + 1)) ]
    bash -n dest/usr/share/bash-completion/completions/fccompose
    make -s -C "$ROOT" uninstall DESTDIR="$WORK/dest" PREFIX=/usr
    [ -z "$(find dest -type f)" ]
}
