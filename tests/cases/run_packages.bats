#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# Package managers under `fccompose run`: the frozen image has what the same session leaves in a chroot on the host, as root.
load ../lib/common
load ../lib/programs

setup() {
    need_root
    need_fuse
    unshare -U true 2>/dev/null || skip "no user namespaces here"
    enter_workdir
}
teardown() { [ -z "${WORK:-}" ] || leave_workdir; }

need_packagers() {
    need_minbase
    need dpkg-deb dpkg-scanpackages perl unshare
    need_loop
}
# Without what names the time: times since the test began are one; logs, apt's binary caches and what a run binds are left out.
described() { # MANIFEST
    awk -v began="$(cat began)" '{ if ($5 + 0 >= began + 0) $5 = "new"; print }' "$1" |
        grep -vE '^(\.|var/log|var/cache/apt|var/cache/ldconfig|debs|repo|lib/apk/db/scripts.tar|var/cache/misc)[/ ]'
}
same_as_host() { # IMAGE [LEFT-OUT]: what matches is not compared
    manifest host >host.all
    described host.all | grep -vE "${2:-^$}" >host.txt
    fsck_clean "$1"
    image_manifest "$1" image.all
    described image.all | grep -vE "${2:-^$}" >image.txt
    same_manifest host.txt image.txt
}

# The phases of debs/session that a chroot on the host goes through, too: debian_on_host PHASE...
debian_on_host() {
    "$LIB/make-debs" debs
    chmod -R a+rX debs
    untar host "$MINBASE"
    date +%s%N >began
    mkdir host/debs
    # shellcheck disable=SC2016
    unshare -m --propagation private sh -ec 'mount -t proc proc host/proc; mount --bind /dev host/dev; mount --bind debs host/debs
        for phase; do chroot host /debs/session $phase; done' sh "$@" </dev/null >host.out 2>&1
}

# What a run left, as IMAGE and run.out: same_as_debian IMAGE [LEFT-OUT]
same_as_debian() {
    same_as_host "$@"
    grep -q 'usr/bin/fc-cap .*security.capability=0x' image.txt
    grep -q 'usr/bin/fc-setuid - 4755 0:0' image.txt
    # Made by dpkg, and by the package's script.
    grep -qE 'usr/lib/fc/dev/disk b 0640 0:0 [^ ]+ 259,1048575' image.txt
    grep -qE 'usr/lib/fc/dev/by-postinst c 0600 0:5 [^ ]+ 5,1' image.txt
    grep -qE 'usr/lib/fc/dev d .*trusted.fc-note=0x6b657074' image.txt
    diff <(sed -E 's/ in [0-9]+s .*//' host.out) <(sed -E 's/ in [0-9]+s .*//' run.out)
}

@test "dpkg and apt-get, as root and as an ordinary user: set-id and capability files, diversions, overrides, users" {
    need_packagers
    debian_on_host install apt
    local run="fccompose -C w run -v '$WORK/debs:/debs' -- sh -c '/debs/session install && /debs/session apt'"
    fccompose -C w init -q "$MINBASE"
    bash -c "$run" </dev/null >run.out 2>&1
    fccompose -C w freeze -q "$WORK/image.ext4" --free 4M
    same_as_debian image.ext4
    start_user
    need_ranges
    cp --reflink=auto "$MINBASE" user/minbase.tar
    as_user "fccompose -C w init -q ../minbase.tar"
    as_user "$run" </dev/null >run.out 2>&1
    as_user "fccompose -C w freeze -q ../image.ext4 --free 4M"
    same_as_debian user/image.ext4
}

@test "dpkg as an ordinary user that has one id: every owner is recorded, and what the package makes is made" {
    need_packagers
    debian_on_host install
    start_user_without_ranges
    cp --reflink=auto "$MINBASE" user/minbase.tar
    as_user "fccompose -C w init -q ../minbase.tar"
    as_user "fccompose -C w run -q -v '$WORK/debs:/debs' -- /debs/session install" </dev/null >run.out 2>&1
    as_user "fccompose -C w freeze -q ../image.ext4 --free 4M"
    # useradd gives the new file the owner of the old one, and sees root alone.
    same_as_debian user/image.ext4 '^etc/g?shadow-? '
    grep -qE '^usr/bin/fc-stat - 2750 [1-9][0-9]*:8 ' image.txt
}

@test "apk as an ordinary user, with ranges and without" {
    need_alpine
    need python3
    need_loop
    start_user
    need_ranges
    mkdir -p repo/x86_64
    : >repo/none
    "$LIB/make-apk" repo/x86_64 fc-tool 1.0-r0
    untar host "$ALPINE"
    date +%s%N >began
    local session='apk="apk --no-network --repositories-file /repo/none --allow-untrusted"
        apk index --allow-untrusted -q -o /repo/x86_64/APKINDEX.tar.gz /repo/x86_64/fc-tool-1.0-r0.apk
        $apk -X /repo add fc-tool && fc-link && adduser -D -s /bin/sh builder && chown builder:users /srv && chmod 2770 /srv'
    mkdir host/repo
    unshare -m --propagation private sh -ec 'mount -t proc proc host/proc; mount --bind repo host/repo; exec chroot host /bin/sh -c "$1"' sh "$session"
    cp "$ALPINE" user/alpine.tar.gz
    chmod -R a+rwX repo
    # adduser gives the new file the owner of the old one, and sees root alone where there is one id.
    local user left_out=^$
    for user in with without; do
        [ $user = with ] || { stop_user; rm fuse-node; start_user_without_ranges; left_out='^etc/shadow '; }
        as_user "fccompose -C $user init -q ../alpine.tar.gz && fccompose -C $user run -v '$WORK/repo:/repo' -- sh -c '$session' && fccompose -C $user freeze -q ../image.ext4"
        same_as_host user/image.ext4 "$left_out"
        grep -qE '^srv . 2770 1000:100' image.txt
        rm -rf user/image.ext4 user/cache
    done
}
