#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# SIGKILL of every command that writes, at random moments: nothing half-written has a name, the workspace is whole, and the next
# run works and takes the leftovers away. FC_KILL_ROUNDS rounds for each (default 2), FC_KILL_SEED the first seed.
load ../lib/common
load ../lib/registry

setup() { enter_workdir; }
teardown() {
    stop_registries
    leave_workdir
}

ROUNDS=${FC_KILL_ROUNDS:-1}
SEED=${FC_KILL_SEED:-1}

# Two layers as tars and as a layout, with enough bytes that writing them takes a while.
make_sources() {
    mkdir -p one/etc one/many two/etc
    head -c 6000000 /dev/urandom >one/large
    (cd one/many && seq 300 | xargs touch)
    echo one >one/etc/name
    echo two >two/etc/name
    head -c 3000000 /dev/urandom >two/more
    tar -C one -cf one.tar .
    tar -C two -cf two.tar .
}
make_workspace() {
    make_sources
    fccompose init -q one.tar two.tar
    head -c 2000000 /dev/urandom >edit
    fccompose cp edit /edit
    fccompose rm /many/7
    fccompose chmod 600 /large
}

# fsck finds no error and, after a whole run, not even a leftover (but the log, which only who writes folds back): whole killed|whole
whole() {
    local said
    said=$(fccompose fsck -q) || { echo "$said" && return 1; }
    [ "$1" = killed ] || ! grep '^note:' <<<"$said" | grep -v '^note: workspace.db-wal' || { echo "$said" && return 1; }
    fccompose status >/dev/null
}
digest_of_tree() { fccompose export -q - | sha256sum; }
# No temporary name of ours is left below the folders given.
nothing_left() {
    local left
    left=$(find "$@" \( -name '.*.fc-*' -o -name '.*.[0-9]*-[0-9]*' -o -name '.tmp-*' -o -name '*.new' \) ! -name '.fccompose*')
    [ -z "$left" ] || { echo "left: $left" && return 1; }
}
# each_kill COMMAND...: kill it ROUNDS times, alone and with its group; `before` and `after` are the test's functions. After a
# run that was faster than the kill the next one is killed earlier.
each_kill() {
    local i=0 most group killed=0
    before
    most=$("$LIB/killed" --time "$@")
    after whole
    while [ "$killed" -lt "$ROUNDS" ]; do
        [ $((i++)) -lt $((ROUNDS + 12)) ] || { echo "it is never killed" && return 1; }
        before
        group=$([ $((i % 2)) -eq 0 ] || echo --group)
        echo "round $i of $*, seed $((SEED + i)), at most $most s"
        # shellcheck disable=SC2086
        if "$LIB/killed" $((SEED + i)) "$most" $group "$@"; then
            killed=$((killed + 1))
        else
            most=$(awk -v t="$most" 'BEGIN { print t / 2 }')
        fi
        after killed
        "$@" >/dev/null || again_refused
        after whole
    done
}
# A command that cannot be run again when it was faster than the kill: tests that have such define it.
again_refused() { return 1; }

@test "killed freeze: the old image, the new one or none" {
    make_workspace
    fccompose freeze -q want.ext4
    fccompose chmod 644 /large
    fccompose freeze -q new.ext4
    before() { rm -f out.ext4; }
    after() {
        whole "$1"
        [ ! -e out.ext4 ] || cmp out.ext4 new.ext4
        [ "$1" = killed ] || { [ -e out.ext4 ] && nothing_left .; }
    }
    each_kill fccompose freeze -q out.ext4
    before() { cp want.ext4 out.ext4; }
    after() {
        whole "$1"
        cmp out.ext4 new.ext4 || { [ "$1" = killed ] && cmp out.ext4 want.ext4; }
        [ "$1" = killed ] || nothing_left .
    }
    each_kill fccompose freeze -q out.ext4
}

@test "killed init and imports: no workspace or a whole one, and init again makes it" {
    make_sources
    fccompose export -q -f oci -l one.tar -l two.tar image
    fccompose export -q -l one.tar -l two.tar - | sha256sum >want
    before() { rm -rf w cache && mkdir w && cd w; }
    again_refused() { # it was whole already; what is left goes with the next command that writes
        [ "$(fccompose layer ls -q | wc -l)" -ge 2 ]
        fccompose reset -q
    }
    after() {
        if [ "$1" = whole ]; then
            whole whole
            digest_of_tree | cmp - ../want
            nothing_left . ../cache
        fi
        [ "$1" = killed ] || cd ..
    }
    each_kill fccompose init -q ../one.tar ../two.tar
    each_kill fccompose init -q oci:../image
}

@test "killed stack changes and commit: the stack before or after, the same tree" {
    make_workspace
    fccompose layer add -q dir:two
    fccompose layer rm -q 2
    cp -a .fccompose saved
    layers() { fccompose layer ls -q --json | python3 -c 'import json,sys; print(len(json.load(sys.stdin)))'; }
    before() { rm -rf .fccompose && cp -a saved .fccompose; }
    again_refused() { true; }
    change() { # BEFORE AFTER COMMAND...: digests of the tree
        local old=$1 new=$2
        shift 2
        after() {
            whole "$1"
            local now
            now=$(digest_of_tree)
            [ "$now" = "$old" ] || [ "$now" = "$new" ]
            nothing_left . cache
        }
        each_kill "$@"
    }
    local was new
    was=$(digest_of_tree)
    for command in "layer add -q dir:two" "layer mv -q 1 0" "layer rm -q 1" "commit -q name"; do
        before
        # shellcheck disable=SC2086
        fccompose $command
        new=$(digest_of_tree)
        [[ $command != commit* ]] || [ "$was" = "$new" ]
        # shellcheck disable=SC2086
        change "$was" "$new" fccompose $command
    done
}

@test "killed lock, export and push: the old file, the new one or none, and a whole image the next time" {
    make_workspace
    need docker-registry
    start_registry
    fccompose export -q want.tar
    before() { rm -f fccompose.lock.json; }
    after() {
        whole "$1"
        [ ! -e fccompose.lock.json ] || fccompose lock -q --check
        [ "$1" = killed ] || nothing_left .
    }
    each_kill fccompose lock -q
    before() { rm -rf out out.tar; }
    after() {
        whole "$1"
        [ ! -e out.tar ] || cmp out.tar want.tar
        [ ! -e out/index.json ] || [ "$1" = killed ] || fccompose export -q -l oci:out - | cmp - want.tar
        [ "$1" = killed ] || nothing_left . cache
    }
    each_kill fccompose export -q out.tar
    each_kill fccompose export -q -f oci out
    each_kill fccompose push -q "docker://$REGISTRY/killed:1"
    fccompose export -q -l "docker://$REGISTRY/killed:1" - | cmp - want.tar
}

@test "killed while temporary files have names, for want of /proc: the next run takes them away" {
    need_root
    make_workspace
    fccompose export -q want.tar
    before() { cp one.tar out.tar; }
    after() {
        whole "$1"
        cmp out.tar want.tar || { [ "$1" = killed ] && cmp out.tar one.tar; }
        [ "$1" = killed ] || nothing_left .
    }
    each_kill unshare -m sh -c 'mount -t tmpfs none /proc && exec fccompose export -q out.tar'
    : >.want.tar.fc-0123abcd # also of one that another kind of run left
    fccompose export -q want.tar
    nothing_left .
}

@test "killed umount, mount processes and their groups, virtual disks: mounted again, all is there" {
    need_root
    need_fuse
    make_workspace
    local i pid
    for i in $(seq $((ROUNDS * 2))); do
        fccompose mount -q
        echo "$i" >rootfs/kept
        sync rootfs/kept
        head -c 3000000 /dev/urandom >rootfs/noise
        pid=$(fccompose --json status | python3 -c 'import json,sys; print(json.load(sys.stdin)["pid"])')
        "$LIB/killed" $((SEED + i)) 0.05 --group fccompose umount -q || true
        case $((i % 4)) in
        0) kill -KILL "$pid" 2>/dev/null || true ;;
        1) kill -KILL -- -"$pid" 2>/dev/null || true ;;
        2) fccompose umount -q 2>/dev/null || true ;;
        esac
        # A dead mount, one that ends just now, or one that lives.
        run fccompose mount -q
        [ "$status" -eq 0 ] || [[ $output == *"mounted on"*"already"*"fccompose umount"* ]] || { echo "$output" && return 1; }
        [ "$(cat rootfs/kept)" = "$i" ]
        fccompose umount -q
        whole whole
    done
    fccompose freeze -q want.ext4
    for i in $(seq "$ROUNDS"); do
        "$LIB/killed" $((SEED + i)) 0.1 --group fccompose freeze -q --virtual || true
        pid=$(fccompose --json status | python3 -c 'import json,sys; print(json.load(sys.stdin).get("pid") or "")')
        [ -z "$pid" ] || kill -KILL "$pid"
        fccompose freeze -q --virtual
        cmp .fccompose/disk/disk.ext4 want.ext4
        fccompose umount -q
        whole whole
    done
}
