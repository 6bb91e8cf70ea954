#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Real programs in the mount, for minutes: packages from the configured mirror, whole trees out and back, trees of many small files.
load ../lib/common
load ../lib/programs

setup() {
    need_root
    need_fuse
    need rsync git
    enter_workdir
}
teardown() {
    fccompose -C "$WORK/w" umount || true
    leave_workdir
}

# Commands in a chroot with /proc and /dev: in_chroot DIR COMMANDS
in_chroot() {
    # shellcheck disable=SC2016
    unshare -m --propagation private sh -ec 'mount -t proc proc "$1/proc"; mount --bind /dev "$1/dev"; mount -t tmpfs none "$1/run"
        exec chroot "$1" /bin/sh -ec "export LC_ALL=C DEBIAN_FRONTEND=noninteractive; $2"' sh "$1" "$2" </dev/null
}

@test "apt-get from the configured mirror: a compiler is installed, compiles, and is purged, as on the host" {
    need_minbase
    untar host "$MINBASE" || true
    mounted_workspace w "$MINBASE"
    date +%s%N >began
    local d
    for d in host w/rootfs; do
        # The host's way to its mirror.
        cp /etc/resolv.conf $d/etc/resolv.conf
        [ ! -e /etc/apt/apt.conf ] || cp /etc/apt/apt.conf $d/etc/apt/apt.conf
        in_chroot $d 'apt-get -q update' >apt.log 2>&1 || skip "no package mirror: $(tail -n 1 apt.log)"
        in_chroot $d 'apt-get -q -y install --no-install-recommends gcc libc6-dev make man-db sqlite3 &&
            printf "int main(void) { return 42; }\n" >/tmp/a.c && gcc -o /tmp/a /tmp/a.c && { r=0; /tmp/a || r=$?; [ $r = 42 ]; } && rm /tmp/a /tmp/a.c &&
            dpkg --verify' >apt.log 2>&1 || { tail -n 20 apt.log; return 1; }
        manifest $d --skip var/log --skip var/cache --skip var/lib/apt --skip etc/resolv.conf |
            awk -v began="$(cat began)" '{ if ($5 + 0 >= began + 0) $5 = "new"; print }' >"${d##*/}.txt"
    done
    same_manifest host.txt rootfs.txt
    in_chroot w/rootfs 'mandb -q; apt-get -q -y purge gcc man-db; apt-get -q -y autoremove --purge; dpkg --audit; dpkg --verify' >apt.log 2>&1 ||
        { tail -n 20 apt.log; return 1; }
    same_as_image w
}

@test "the whole of Debian minbase out and back in by tar and by rsync, then removed" {
    need_minbase
    mounted_workspace w "$MINBASE"
    local r=w/rootfs n
    tar_of $r >whole.tar
    untar host whole.tar
    same_by_rsync host $r
    rsync -aHAX --exclude /copies --exclude /by-rsync host/ $r/by-rsync/
    untar $r/by-tar whole.tar
    same_by_rsync host $r/by-tar
    same_by_rsync host $r/by-rsync
    cmp <(tar_of host) <(tar_of $r/by-tar)
    same_as_image w
    n=$(find host | wc -l)
    [ "$(find $r/by-tar -delete -print | wc -l)" = "$n" ]
    rm -rf $r/by-rsync $r/usr $r/var
    same_as_image w
}

@test "40,000 small files in nested packages, moved, copied, committed to git, and removed" {
    mkdir lower
    python3 - lower <<'PY'
import os, sys
for p in range(400):
    for depth in ("", "/node_modules/dep", "/node_modules/dep/node_modules/inner"):
        d = f"{sys.argv[1]}/node_modules/package-{p}{depth}/lib"
        os.makedirs(d)
        for i in range(33):
            with open(f"{d}/{i}.js", "w") as f:
                f.write(f"module.exports = {p * i}\n" * (i % 7 + 1))
PY
    mounted_workspace w --owner 0:0 dir:../lower
    local r=w/rootfs
    diff -r lower/node_modules $r/node_modules
    mv $r/node_modules $r/moved
    cp -a $r/moved $r/copied
    diff -r lower/node_modules $r/copied
    git -C $r/copied init -q
    git -C $r/copied add -A
    git -C $r/copied -c user.name=Test -c user.email=test@example.org commit -qm all
    git -C $r/copied update-index --test-untracked-cache
    remounted w
    [ -z "$(git -C $r/copied diff-files)" ]
    [ -z "$(git -C $r/copied status --porcelain)" ]
    find $r/moved -name '*.js' -newer $r/copied/.git/HEAD | wc -l | grep -qx 0
    rm -rf $r/moved
    find $r/copied -name '[0-9].js' -delete
    [ "$(git -C $r/copied status --porcelain | wc -l)" = 12000 ]
    git -C $r/copied reset -q --hard
    diff -r -x .git lower/node_modules $r/copied
    same_as_image w
}
