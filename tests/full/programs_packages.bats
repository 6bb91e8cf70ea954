#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# dpkg and apt-get in a chroot of the mount over Debian minbase, compared with the same in a chroot on the host's file system.
load ../lib/common
load ../lib/programs

setup_file() {
    can need_root need_fuse need_minbase need_packagers || return 0
    enter_workdir
    export WORK MINBASE
    "$LIB/make-debs" debs
    untar host "$MINBASE" || true
    mounted_workspace w "$MINBASE"
    date +%s%N >began
}
teardown_file() {
    [ -z "${WORK:-}" ] || {
        cd "$WORK"
        fccompose -C w umount || true
        leave_workdir
    }
}
need_packagers() { need dpkg-deb dpkg-scanpackages perl unshare; }
setup() {
    need_root
    need_fuse
    need_minbase
    need_packagers
    FCCOMPOSE_CACHE=$WORK/cache
    cd "$WORK"
}

# One phase in a chroot with /proc, /dev and the packages bound: session DIR PHASE
session() {
    mkdir -p "$1/debs"
    # shellcheck disable=SC2016
    unshare -m --propagation private sh -ec 'mount -t proc proc "$1/proc"; mount --bind /dev "$1/dev"; mount --bind debs "$1/debs"
        exec chroot "$1" /debs/session "$2"' sh "$1" "$2" </dev/null
}

# The tree, without what names the time or the inode: times since the test began are one, logs and apt's binary caches are left out.
described() {
    manifest "$1" --skip var/log --skip var/cache/apt --skip var/cache/ldconfig --skip debs |
        awk -v began="$(cat began)" '{ if ($5 + 0 >= began + 0) $5 = "new"; print }'
}

same_phase() {
    local d
    for d in host w/rootfs; do
        session $d "$1" >"${d##*/}.out" 2>&1 || { tail -n 20 "${d##*/}.out"; return 1; }
        described $d >"${d##*/}.txt"
    done
    same_manifest host.txt rootfs.txt
    # What they said, but for how fast they were.
    diff <(sed -E 's/ in [0-9]+s .*//' host.out) <(sed -E 's/ in [0-9]+s .*//' rootfs.out)
}

@test "dpkg -i, --verify and an upgrade: set-id and capability files, conffiles, diversions, overrides, alternatives" {
    same_phase install
    grep -q 'usr/bin/fc-cap .*security.capability=0x' rootfs.txt
    grep -q 'usr/bin/fc-setuid - 4755 0:0' rootfs.txt
    grep -q '^..5......* c /etc/fc-tool.conf' rootfs.out
    grep -q 'motd.diverted' rootfs.txt
}

@test "apt-get update, install and reinstall from a repository of files" { same_phase apt; }

@test "remove, purge, autoremove; useradd, usermod, chpasswd, su" {
    same_phase remove
    [ -z "$(grep -E "^usr/(share|bin)/fc" rootfs.txt)" ] # ldconfig has put a link into /usr/lib/fc
    grep -q 'home/builder/src/file - 0640 1000:1001 ' rootfs.txt
}

@test "after the packages: image, and a remount" {
    umount w/rootfs/debs 2>/dev/null || true
    same_as_image w
    remounted w
    chroot w/rootfs dpkg --audit
    described w/rootfs >again.txt
    same_manifest rootfs.txt again.txt
}
