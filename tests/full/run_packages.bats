#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# apt-get from the configured mirror under `fccompose run`: the frozen image has what the same install leaves in a chroot as root.
load ../lib/common
load ../lib/programs

setup() {
    need_root
    need_fuse
    need_loop
    need_minbase
    unshare -U true 2>/dev/null || skip "no user namespaces here"
    enter_workdir
}
teardown() { [ -z "${WORK:-}" ] || leave_workdir; }

# A set-id program, one with file capabilities (set by setcap), one with a user of its own.
INSTALL='export LC_ALL=C DEBIAN_FRONTEND=noninteractive; apt-get -q update &&
    apt-get -q -y install --no-install-recommends libcap2-bin && apt-get -q -y install --no-install-recommends sudo iputils-ping man-db && dpkg --verify'

# Times since the test began are one; logs, caches, what apt fetched and the network's settings are left out.
described() { # MANIFEST
    awk -v began="$(cat began)" '{ if ($5 + 0 >= began + 0) $5 = "new"; print }' "$1" |
        grep -vE "^(\.|var/log|var/cache|var/lib/apt|etc/resolv.conf|etc/apt/apt.conf)[/ ]${2:+|$2}"
}

# The tree IMAGE is that of the chroot, but for LEFT-OUT: same_as_chroot IMAGE [LEFT-OUT]
same_as_chroot() {
    described host.all "${2:-}" >host.txt
    fsck_clean "$1"
    image_manifest "$1" image.all
    described image.all "${2:-}" >image.txt
    same_manifest host.txt image.txt
    grep -qE '^usr/bin/sudo - 4755 0:0 ' image.txt
    grep -qE '^usr/bin/ping .*security.capability=0x' image.txt
}

# In a workspace of whoever runs RUN: installed RUN
installed() {
    $1 "fccompose -C w init -q '$MINBASE_COPY' && { [ ! -e '$WORK/apt.conf' ] || fccompose -C w cp '$WORK/apt.conf' /etc/apt/apt.conf; } &&
        fccompose -C w run -q -- sh -c '$INSTALL'" </dev/null >run.out 2>&1 || { tail -n 20 run.out; return 1; }
    $1 "fccompose -C w freeze -q \"\$PWD/image.ext4\" --free 4M"
}
as_root() { (mkdir -p rooted && cd rooted && bash -c "$1"); }

@test "apt-get from the mirror, as root and as ordinary users with ranges and with one id: sudo, ping, man-db" {
    untar host "$MINBASE" || true
    [ ! -e /etc/apt/apt.conf ] || install -m 644 /etc/apt/apt.conf apt.conf
    [ ! -e apt.conf ] || cp apt.conf host/etc/apt/apt.conf
    cp /etc/resolv.conf host/etc/resolv.conf
    date +%s%N >began
    # shellcheck disable=SC2016
    unshare -m --propagation private sh -ec 'mount -t proc proc host/proc; mount --bind /dev host/dev
        exec chroot host /bin/sh -c "$1"' sh "$INSTALL" </dev/null >host.out 2>&1 || {
        grep -qE '^(E|W): Failed to fetch|Could not (connect|resolve)' host.out && skip "no package mirror: $(tail -n 1 host.out)"
        tail -n 20 host.out
        return 1
    }
    manifest host >host.all
    MINBASE_COPY=$WORK/minbase.tar
    cp --reflink=auto "$MINBASE" minbase.tar
    chmod 644 minbase.tar
    installed as_root
    same_as_chroot rooted/image.ext4
    start_user
    need_ranges
    installed as_user
    same_as_chroot user/image.ext4
    stop_user
    rm -rf rooted user fuse-node
    start_user_without_ranges
    installed as_user
    # useradd gives the new file the owner of the old one, and sees root alone.
    same_as_chroot user/image.ext4 '^etc/g?shadow-? '
}
