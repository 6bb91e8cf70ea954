#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# fccompose cache: what keeps a thing alive, what goes, what is damaged; several processes at once.

load ../lib/common
load ../lib/registry

setup() { enter_workdir; }
teardown() { stop_registries; leave_workdir; }

make_tar() { # NAME TEXT
    mkdir -p t && echo "$2" >t/file
    tar -C t --sort=name --mtime=@0 --owner=0 --group=0 -cf "$1" .
}

layer_of() { sha256sum "$1" | cut -d' ' -f1; }
has() { [ -f "$FCCOMPOSE_CACHE/layers/$(layer_of "$1")/pack" ]; }
age() { touch -d "$2 days ago" "$FCCOMPOSE_CACHE/layers/$(layer_of "$1")"; }
blobs() { find "$FCCOMPOSE_CACHE/oci/blobs/sha256" -type f -printf '%f\n' | sort; }

@test "gc keeps what a workspace needs, in its stack or under its edits, and takes the rest when it is old" {
    make_tar a.tar a
    make_tar b.tar b
    make_tar c.tar c
    fccompose -C w init "$PWD/a.tar" "$PWD/b.tar"
    fccompose -C w mv /file /mine # b's content, in an edit
    fccompose -C w layer rm b.tar
    fccompose pull c.tar
    fccompose cache ls >ls
    grep -q "layer *sha256:$(layer_of a.tar).*$PWD/w" ls
    grep -q "layer *sha256:$(layer_of b.tar).*$PWD/w" ls
    ! grep "$(layer_of c.tar)" ls | grep -q "$PWD"
    age a.tar 90 && age b.tar 90
    fccompose cache gc # c is new
    has a.tar && has b.tar && has c.tar
    age c.tar 13
    fccompose cache gc
    has c.tar
    fccompose cache gc -n --older-than 12d >dry
    grep -q "^layer .*$(layer_of c.tar)" dry
    [ "$(grep -c ^layer dry)" -eq 1 ]
    has c.tar
    room=$(du -s --block-size=1 "$FCCOMPOSE_CACHE/layers/$(layer_of c.tar)" | cut -f1)
    [ "$(fccompose cache gc --older-than 12d --json | python3 -c 'import json, sys; print([x["bytes"] for x in json.load(sys.stdin)["removed"] if x["kind"] == "layer"])')" = "[$room]" ]
    ! has c.tar
    has a.tar && has b.tar
    [ "$(fccompose -C w cat /mine)" = b ]
    # Opening is a use.
    fccompose -C w ls / >/dev/null
    [ -n "$(find "$FCCOMPOSE_CACHE/layers/$(layer_of a.tar)" -maxdepth 0 -mmin -2)" ]
    rm -r w
    fccompose cache gc --all
    ! has a.tar && ! has b.tar
    [ -z "$(ls "$FCCOMPOSE_CACHE/workspaces")" ]
}

@test "gc keeps what a mount has open, also of a workspace that it was told to forget" {
    need_fuse
    make_tar a.tar a
    fccompose -C w init "$PWD/a.tar"
    mkdir m
    fccompose -C w mount "$PWD/m"
    run fccompose cache gc --all --forget w
    cat m/file >got
    fccompose cache ls >ls
    fccompose -C w umount
    [ "$status" -eq 0 ]
    [ "$(cat got)" = a ]
    grep -q "$(layer_of a.tar).*in use" ls
    has a.tar
    [ "$(fccompose -C w cat /file)" = a ] # which makes it known again
    fccompose cache gc --all
    has a.tar
    fccompose cache gc --all --forget w
    ! has a.tar
    run fccompose -C w cat /file
    [ "$status" -eq 1 ]
    [[ $output == *"fccompose pull"* ]]
    fccompose -C w pull
    [ "$(fccompose -C w cat /file)" = a ]
}

@test "two collections at once, with imports, freezes and verify beside them" {
    for i in 1 2 3; do make_tar "$i.tar" "$i"; done
    fccompose -C w init "$PWD/1.tar"
    collect() { for _ in $(seq 20); do fccompose cache gc -q --all >/dev/null 2>>gc.err || echo "gc $?" >>failed; done; }
    collect & one=$!
    collect & two=$!
    for n in $(seq 6); do
        fccompose freeze -q -l "$((n % 2 + 2)).tar" "o$((n % 2)).ext4" || echo "freeze $n" >>failed
        fccompose -C "w$n" init -q "$PWD/2.tar" "$PWD/3.tar" || echo "init $n" >>failed
        [ "$(fccompose -C "w$n" cat /file)" = 3 ] || echo "cat $n" >>failed
        rm -r "w$n"
    done
    wait "$one" "$two"
    cat gc.err
    [ ! -e failed ] || { cat failed; false; }
    fccompose cache verify
    fccompose cache gc --all
    has 1.tar && ! has 2.tar && ! has 3.tar
    [ -z "$(find "$FCCOMPOSE_CACHE/layers" -name '.tmp-*')" ]
}

@test "max-size takes the longest unused first, and never what is kept" {
    for i in a b c; do
        rm -rf t && mkdir t && head -c 1000000 /dev/urandom >t/data
        make_tar "$i.tar" "$i"
    done
    fccompose -C w init "$PWD/a.tar"
    fccompose pull b.tar c.tar
    age a.tar 9 && age b.tar 5 && age c.tar 7
    fccompose cache gc --max-size 2500K
    has a.tar && has b.tar && ! has c.tar
    fccompose cache gc --max-size 0
    has a.tar && ! has b.tar
}

@test "a workspace that cannot be read stops gc before anything goes, unless it is named" {
    make_tar a.tar a
    make_tar b.tar b
    fccompose -C w init "$PWD/a.tar"
    fccompose pull b.tar
    head -c 9000 /dev/urandom >w/.fccompose/workspace.db
    run fccompose cache gc --all
    [ "$status" -eq 1 ]
    [[ $output == *"$PWD/w"*--forget* ]]
    has a.tar && has b.tar
    fccompose cache gc --all --forget w
    ! has a.tar && ! has b.tar
}

@test "a damaged layer and a damaged blob are found, set aside, and fetched again" {
    need docker-registry skopeo
    start_registry plain
    make_tar a.tar a
    make_tar b.tar b
    python3 "$LIB/make-image" lay one a.tar
    skopeo copy --insecure-policy -q --dest-tls-verify=false oci:lay:one "docker://$REGISTRY/a/b:latest"
    fccompose -C w init "docker://$REGISTRY/a/b" "$PWD/b.tar"
    blobs >before
    [ -s before ]
    fccompose cache ls | grep blob | grep "$PWD/w" >/dev/null
    fccompose cache gc --all
    blobs | cmp - before # the workspace's sources
    fccompose cache verify
    pack=$FCCOMPOSE_CACHE/layers/$(layer_of b.tar)/pack
    chmod u+w "$pack" && printf X | dd of="$pack" conv=notrunc status=none
    blob=$(find "$FCCOMPOSE_CACHE/oci/blobs/sha256" -type f -size -2 | head -1)
    printf X | dd of="$blob" conv=notrunc status=none
    run fccompose cache verify
    [ "$status" -eq 1 ]
    [[ $output == *"$(layer_of b.tar)"*damaged*"fccompose pull"* ]]
    [[ $output == *"$(basename "$blob")"*"set aside"* ]]
    [ ! -e "$blob" ] && ! has b.tar
    [ -e "$FCCOMPOSE_CACHE/oci/.damaged/$(basename "$blob")" ]
    fccompose cache verify
    fccompose -C w pull
    [ "$(fccompose -C w cat /file)" = b ]
    # An index that is damaged is met at the opening: pull sets it aside.
    index=$FCCOMPOSE_CACHE/layers/$(layer_of b.tar)/index
    chmod u+w "$index" && printf X | dd of="$index" conv=notrunc status=none
    run fccompose -C w cat /file
    [ "$status" -eq 1 ]
    [[ $output == *"fccompose pull"* ]]
    fccompose -C w pull
    [ "$(fccompose -C w cat /file)" = b ]
    rm -r w
    fccompose cache gc --all
    [ -z "$(blobs)" ]
    [ -z "$(find "$FCCOMPOSE_CACHE" -path '*damaged*' -type f)" ]
    ! grep -q sha256 "$FCCOMPOSE_CACHE/oci/index.json"
    [ "$(fccompose cache path)" = "$FCCOMPOSE_CACHE" ]
}

# A byte of FILE at OFFSET becomes another.
flip() {
    chmod u+w "$1"
    python3 -c 'import os, sys
f = os.open(sys.argv[1], os.O_RDWR)
os.pwrite(f, bytes([os.pread(f, 1, int(sys.argv[2]))[0] ^ 4]), int(sys.argv[2]))' "$1" "$2"
}
pack_of() { echo "$FCCOMPOSE_CACHE/layers/$(layer_of "$1")/pack"; }

@test "a flipped byte in a pack is found when it is read, noted, and pull imports the layer again, without a network" {
    need docker-registry skopeo
    start_registry plain
    make_tar b.tar b
    echo a >t/file
    head -c 300000 /dev/urandom >t/big
    tar -C t --sort=name -cf a.tar big file
    python3 "$LIB/make-image" lay one a.tar
    skopeo copy --insecure-policy -q --dest-tls-verify=false oci:lay:one "docker://$REGISTRY/a/b:latest"
    fccompose -C w init "docker://$REGISTRY/a/b" "$PWD/b.tar"
    stop_registries
    flip "$(pack_of a.tar)" 200000
    run fccompose -C w cat /big
    [ "$status" -eq 1 ]
    [[ $output == *"cannot read $(pack_of a.tar)"* ]]
    [ -e "$(dirname "$(pack_of a.tar)")/damaged" ]
    # The rest is there, and every command says what to do.
    [ "$(fccompose -C w cat /file 2>err)" = b ]
    grep -q 'damaged; next: .*fccompose pull' err
    run fccompose -C w export x.tar
    [ "$status" -eq 1 ]
    [ ! -e x.tar ]
    fccompose -C w pull --offline # from the blob
    fccompose -C w cat /big | cmp - t/big
    fccompose cache verify
    # Of a file, from where it is; init alike.
    for next in "fccompose -C w pull" "fccompose pull b.tar" "fccompose -C v init $PWD/b.tar"; do
        flip "$(pack_of b.tar)" 1
        run fccompose -C w cat /file
        [ "$status" -eq 1 ]
        $next
        [ "$(fccompose -C w cat /file)" = b ]
    done
    flip "$(pack_of a.tar)" 200000
    run fccompose -C w cat /big
    [ "$status" -eq 1 ]
    rm -r v
    fccompose -C v init --offline "docker://$REGISTRY/a/b"
    fccompose -C v cat /big | cmp - t/big
}

@test "in a mount a file with a flipped byte is EIO, and the others are read" {
    need_fuse
    mkdir t && echo a >t/file
    head -c 300000 /dev/urandom >t/big
    tar -C t --sort=name -cf a.tar big file
    fccompose -C w init "$PWD/a.tar"
    flip "$(pack_of a.tar)" 200000
    fccompose -C w mount
    run cat w/rootfs/big
    [ "$status" -eq 1 ]
    [[ $output == *"Input/output error"* ]]
    cmp -n 100000 w/rootfs/big t/big
    [ "$(cat w/rootfs/file)" = a ]
    fccompose -C w umount
    grep -q "damaged, its bytes are not those that were written; next: fccompose umount, fccompose cache verify" \
        w/.fccompose/mount.log
    run fccompose cache verify
    [ "$status" -eq 1 ]
    fccompose -C w pull
    fccompose -C w cat /big | cmp - t/big
}

@test "a damaged layer that nothing can bring back stays, and gc never takes it while a workspace needs it" {
    make_tar a.tar a
    fccompose -C w init "$PWD/a.tar"
    fccompose -C w write /mine <<<mine
    fccompose -C w write /other < <(head -c 200000 /dev/urandom)
    fccompose -C w commit mine
    made=$(fccompose -C w layer ls --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[-1]["diffid"][7:])')
    layer=$FCCOMPOSE_CACHE/layers/$made
    flip "$layer/pack" 100000
    run fccompose cache verify
    [ "$status" -eq 1 ]
    [[ $output == *"$made"*"nothing but the cache has this layer"* ]]
    [[ $output != *"fccompose pull"* ]]
    [ "$(fccompose -C w cat /mine)" = mine ]
    run fccompose -C w cat /other
    [ "$status" -eq 1 ]
    fccompose -C w pull # changes nothing
    [ -e "$layer/pack" ]
    # With its index it can no longer be opened; its bytes stay for whoever wants to rescue them.
    flip "$layer/index" 300
    run fccompose cache verify
    [ "$status" -eq 1 ]
    [ ! -e "$layer" ]
    run fccompose cache gc --all
    [ "$status" -eq 0 ]
    [[ $output == *".damaged-$made stays: a workspace needs that layer"* ]]
    [ -e "$FCCOMPOSE_CACHE/layers/.damaged-$made/pack" ]
    rm -r w
    fccompose cache gc --all
    [ ! -e "$FCCOMPOSE_CACHE/layers/.damaged-$made" ]
}

@test "gc removes nothing where the cache does not know its workspaces" {
    make_tar a.tar a
    make_tar b.tar b
    fccompose -C w init "$PWD/a.tar"
    fccompose pull b.tar
    rm -r "$FCCOMPOSE_CACHE/workspaces"
    run fccompose cache gc --all
    [ "$status" -eq 1 ]
    [[ $output == *"nothing is removed"*"fccompose -C DIR status"* ]]
    has a.tar && has b.tar
    fccompose -C w status >/dev/null
    fccompose cache gc --all
    has a.tar && ! has b.tar
}
