#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# find, tar, rsync, cpio, cp and rm over Debian minbase in the mount, compared with the tree that GNU tar unpacks on the host.
load ../lib/common
load ../lib/programs

# What is copied around: devices, links of both kinds, set-id programs, xattrs that a test adds, some 2,000 entries.
PART=(dev etc var usr/bin usr/lib/apt)

setup_file() {
    can need_root need_fuse need_minbase || return 0
    enter_workdir
    export WORK MINBASE
    untar one "$MINBASE" || true
    mounted_workspace w "$MINBASE"
}
teardown_file() {
    [ -z "${WORK:-}" ] || {
        cd "$WORK"
        fccompose -C w umount || true
        leave_workdir
    }
}
setup() {
    need_root
    need_fuse
    need_minbase
    need rsync
    FCCOMPOSE_CACHE=$WORK/cache
    cd "$WORK"
    R=$WORK/w/rootfs
}

@test "find, du, rsync and tar read the tree as the host holds it" {
    local d
    for d in one "$R"; do
        (cd $d && find . -printf '%p %y %m %U %G %T@ %l %n\n' && find . -type f -printf '%p %s %b\n') | sort >"find.${d##*/}"
        (cd $d && du --inodes . && find . -type f -print0 | du --files0-from=- -c | grep total$) | sort >"du.${d##*/}"
    done
    cmp find.one find.rootfs
    cmp du.one du.rootfs
    same_by_rsync one "$R"
    cmp <(tar_of one) <(tar_of "$R")
}

@test "tar --listed-incremental takes only what changed, also after a remount" {
    inc() { tar -C "$R" --listed-incremental="$WORK/snar" --no-check-device -cvf level.tar ./etc ./usr/share/perl5 2>/dev/null | grep -v '/$'; }
    [[ "$(inc)" == *./etc/passwd* ]]
    [ -z "$(inc)" ]
    chmod 600 "$R/etc/issue"
    echo more >>"$R/etc/motd"
    ln "$R/etc/fstab" "$R/etc/fstab.link"
    mv "$R/usr/share/perl5/Debconf" "$R/usr/share/perl5/Renamed"
    [ "$(inc | grep -v /Renamed/ | tr '\n' ' ')" = './etc/fstab ./etc/fstab.link ./etc/issue ./etc/motd ' ]
    mv "$R/usr/share/perl5/Renamed" "$R/usr/share/perl5/Debconf"
    inc >/dev/null
    remounted w
    [ -z "$(inc)" ]
}

@test "tar, cpio, rsync and cp -a copy in the mount, and each copy is the original" {
    need cpio
    setfacl -m u:1000:rw "$R/etc/motd"
    setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 "$R/usr/bin/chfn"
    tar_of "$R" "${PART[@]}" >part.tar
    untar host part.tar
    untar "$R/tar" part.tar
    # The parents of what was named are not in the tar.
    like_host() { touch -r host "$1" && touch -r host/usr "$1/usr" && touch -r host/usr/lib "$1/usr/lib"; }
    like_host "$R/tar"
    same_by_rsync host "$R/tar"
    mkdir "$R/rsync" "$R/cp" "$R/cpio"
    (cd "$R" && rsync -aHAXR "${PART[@]}" rsync/ && cp -a --parents "${PART[@]}" cp/)
    like_host "$R/rsync" && like_host "$R/cp"
    same_by_rsync "$R/tar" "$R/rsync"
    same_by_rsync "$R/tar" "$R/cp"
    # cpio knows no xattrs and no times of symlinks: what it makes of the same tree on the host is the measure.
    mkdir host-cpio
    (cd host && find . -depth | cpio -pdm --quiet ../host-cpio)
    (cd "$R/tar" && find . -depth | cpio -pdm --quiet ../cpio)
    diff <(rsync -aHAXn --checksum --delete -i host/ host-cpio/) <(rsync -aHAXn --checksum --delete -i "$R/tar/" "$R/cpio/")
    cmp <(tar_of host) <(tar_of "$R/cp")
}

@test "rsync a second time changes nothing; --inplace, --delete and --link-dest over lower directories" {
    diff <(rsync -aHAX --delete -i "$R/tar/" "$R/rsync/") /dev/null
    cp one/usr/bin/perl big && printf patched | dd of=big bs=1 seek=1000000 conv=notrunc status=none
    before=$(stat -c '%i %h' "$R/usr/bin/perl")
    rsync -a --inplace --no-whole-file big "$R/usr/bin/perl"
    cmp big "$R/usr/bin/perl"
    [ "$(stat -c '%i %h' "$R/usr/bin/perl")" = "$before" ]
    cp -a one/usr/share/perl5 perl5 && rm -r perl5/Debconf/* && echo new >perl5/new && rm -r perl5/Dpkg && echo file >perl5/Dpkg
    rsync -aHAX --delete perl5/ "$R/usr/share/perl5/"
    same_by_rsync perl5 "$R/usr/share/perl5"
    rsync -a --link-dest="$R/usr/lib/apt" "$R/usr/lib/apt/" "$R/linked/"
    [ "$(find "$R/linked" -type f -links +1 | wc -l)" = "$(find one/usr/lib/apt -type f | wc -l)" ]
    diff -r one/usr/lib/apt "$R/linked"
}

@test "find -newer, -delete, -exec; rm -rf beside readers" {
    touch "$WORK/stamp"
    sleep 0.01
    touch "$R/usr/share/doc/apt" && chmod a+w "$R/etc/hosts" 2>/dev/null || chmod a+w "$R/etc/group"
    [ "$(cd "$R" && find usr/share/doc -newer "$WORK/stamp")" = usr/share/doc/apt ]
    [ "$(cd "$R" && find etc usr/share -cnewer "$WORK/stamp" | wc -l)" = 2 ]
    (while find "$R/tar" "$R/usr/share/locale" -type f -exec cat {} + >/dev/null 2>&1; do :; done; true) 3>&- &
    rm -r "$R/tar"
    find "$R/usr/share/locale" -name '*.mo' -delete
    rm -rf "$R/usr/share/locale"
    wait $!
    [ ! -e "$R/tar" ] && [ ! -e "$R/usr/share/locale" ]
    [ "$(find "$R/cp" | wc -l)" = "$(find "$R/rsync" | wc -l)" ]
    find "$R/cp" "$R/rsync" "$R/cpio" "$R/linked" -delete
    find "$R/usr/share" -depth -type d -empty -exec rmdir {} +
}

@test "what is there then is in the image, and after a remount" {
    same_as_image w
    remounted w
    manifest "$R" >remounted.manifest
    same_manifest live.manifest remounted.manifest
}
