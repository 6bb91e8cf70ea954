#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# git, make, SQLite, mapped files and editors at work in one mount, all at once: in root's, and in an ordinary user's own shell.
# Each tests/lib/use-NAME works over files of a lower layer, and once more after the mount was remounted.
load ../lib/common
load ../lib/programs

need_programs() { need git make gcc ar strip objcopy sqlite3 python3 patch perl; }
PROGRAMS=(git make sqlite mmap tools)

# Have every program work in ROOTFS, beside each other; what they say and how they ended is in OUT: start_all ROOTFS OUT RUNNER
start_all() {
    local p
    for p in "${PROGRAMS[@]}"; do
        mkdir -p "$2/$p"
        # What it needs on the host is taken from OUT; use-sqlite and use-mmap need nothing.
        args=$2/$p
        [[ $p != sqlite && $p != mmap ]] || args=''
        { "$3" "use-$p work $1/$p $args" >"$2/$p.log" 2>&1 && echo 0 >"$2/$p.end" || echo 1 >"$2/$p.end"; } 3>&- &
    done
}
as_root() { PATH=$LIB:$PATH bash -c "$1"; }

# Wait until PROGRAM has ended, well: ended OUT PROGRAM
ended() {
    local tick=0
    while [ ! -s "$1/$2.end" ]; do
        [ $((tick++)) -lt 3000 ] || { echo "$2 does not end"; return 1; }
        sleep 0.1
    done
    [ "$(cat "$1/$2.end")" = 0 ] || { tail -n 30 "$1/$2.log"; return 1; }
}

setup_file() {
    can need_root need_fuse need_programs || return 0
    enter_workdir
    export WORK
    mkdir lower
    for p in "${PROGRAMS[@]}"; do
        mkdir "lower/$p"
        if [ "$p" = make ]; then "$LIB/use-make" make lower/make "$ROOT"; else "$LIB/use-$p" make "lower/$p"; fi
    done
    mounted_workspace w dir:../lower
    start_all "$WORK/w/rootfs" "$WORK/out" as_root
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
    need_programs
    FCCOMPOSE_CACHE=$WORK/cache
    cd "$WORK"
}
teardown() { stop_user; }

@test "git in root's mount" { ended out git; }
@test "make -j, cc, ar, ld, strip, objcopy in root's mount: the same bytes as on the host" { ended out make; }
@test "SQLite in root's mount: WAL and rollback, several writers, killed writers, mapped pages" { ended out sqlite; }
@test "mapped files in root's mount" { ended out mmap; }
@test "editors, followers, running programs, links and disk images in root's mount" { ended out tools; }

@test "a file system mounted from a file of the mount" {
    need_loop
    ended out tools
    local image=w/rootfs/loop.img
    truncate -s 32M $image
    mkfs.ext4 -q -F $image
    mkdir inner
    mount -o loop $image inner
    tar -C "$ROOT" -cf - src include | tar -C inner -xf -
    diff -r "$ROOT/src" inner/src
    umount inner
    fsck_clean $image
    mount -o loop,ro $image inner
    diff -r "$ROOT/include" inner/include
    umount inner
    rm $image
}

@test "after all of them in root's mount: image, remount, and what the kernel forgot agree" {
    local p
    for p in "${PROGRAMS[@]}"; do ended out "$p"; done
    same_as_image w
    remounted w
    for p in "${PROGRAMS[@]}"; do "$LIB/use-$p" clean "$WORK/w/rootfs/$p"; done
    forgotten w/rootfs
    for p in "${PROGRAMS[@]}"; do "$LIB/use-$p" clean "$WORK/w/rootfs/$p"; done
}

@test "all of them in an ordinary user's own shell, where root's files are theirs; the image has them as root's" {
    start_user
    cp "$LIB"/use-* bin/
    cp -a lower user/lower
    mkdir user/out
    chown -R fctest: user
    as_user 'fccompose init -q --owner 0:0 dir:lower && fccompose mount -q --me-as 0:0'
    local p
    for p in "${PROGRAMS[@]}"; do as_user "mkdir -p out/$p"; done
    start_all "$WORK/user/rootfs" "$WORK/user/out" as_user
    for p in "${PROGRAMS[@]}"; do ended user/out "$p"; done
    as_user 'cd rootfs && mkdir cp && cp -a ../lower/tools/. cp && [ "$(stat -c %U cp/etc/sed)" = fctest ] && rm cp/etc/sed &&
        install -m 4711 cp/etc/perl cp/etc/sed && chown 0:0 cp/etc/sed && chown 5:6 cp/etc/perl && [ "$(stat -c %u:%g cp/etc/perl)" = 5:6 ]'
    # As the tree has it, before anything is looked at once more.
    as_user 'fccompose freeze -q out.ext4 --free 4M && fccompose umount && fccompose mount -q && manifest rootfs >live.txt && fccompose umount &&
        fccompose mount -q --me-as 0:0'
    for p in "${PROGRAMS[@]}"; do as_user "use-$p clean $WORK/user/rootfs/$p"; done
    as_user 'fccompose umount'
    fsck_clean user/out.ext4
    image_manifest user/out.ext4 image.txt
    same_manifest user/live.txt image.txt
    [ "$(awk '{ print $4 }' image.txt | sort | uniq -c | sort -rn | awk '{ print $2 }' | tr '\n' ' ')" = '0:0 5:6 ' ]
}
