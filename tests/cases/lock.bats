#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# fccompose.lock.json: the same bytes tomorrow, or a word.

load ../lib/common
load ../lib/registry

setup() { enter_workdir; }
teardown() { stop_registries; leave_workdir; }

make_tar() { # NAME TEXT
    mkdir -p t && echo "$2" >t/file
    tar -C t --sort=name --mtime=@0 --owner=0 --group=0 -cf "$1" .
}

@test "a tag that moved still gives the bytes of the lock, and lock --update the new ones" {
    need docker-registry skopeo
    start_registry plain
    make_tar old.tar old
    make_tar new.tar new
    python3 "$LIB/make-image" lay old old.tar
    python3 "$LIB/make-image" lay new new.tar
    skopeo copy --insecure-policy -q --dest-tls-verify=false oci:lay:old "docker://$REGISTRY/a/b:latest"
    mkdir one && cd one
    fccompose init "docker://$REGISTRY/a/b"
    fccompose lock
    cp fccompose.lock.json first
    fccompose lock
    cmp first fccompose.lock.json
    python3 -m json.tool --sort-keys --indent 2 first | cmp - first
    fccompose lock --check
    skopeo copy --insecure-policy -q --dest-tls-verify=false oci:../lay:new "docker://$REGISTRY/a/b:latest"
    # Elsewhere, with an empty cache and the lock alone.
    mkdir ../two && cp first ../two/fccompose.lock.json
    rm -rf "$FCCOMPOSE_CACHE"
    fccompose -C ../two init --locked
    [ "$(fccompose -C ../two cat /file)" = old ]
    rm -rf "$FCCOMPOSE_CACHE"
    fccompose pull
    [ "$(fccompose cat /file)" = old ]
    [ "$(fccompose cat -l "docker://$REGISTRY/a/b" /file)" = old ]
    fccompose write /mine x
    fccompose lock --update
    [ "$(fccompose cat /file)" = new ]
    [ "$(fccompose cat /mine)" = x ]
    ! cmp -s first fccompose.lock.json
    [ "$(fccompose cat -l "docker://$REGISTRY/a/b" /file)" = new ]
}

@test "a file or directory that changed is refused under a lock" {
    make_tar a.tar one
    mkdir d && echo d >d/x
    fccompose init a.tar dir:d builtin:busybox
    fccompose lock
    [ "$(grep -c '"locator"' fccompose.lock.json)" = 3 ]
    sum=$(sha256sum a.tar | cut -d' ' -f1)
    grep -q "$sum" fccompose.lock.json
    make_tar a.tar two
    run fccompose export -l a.tar x.tar
    [ "$status" -eq 1 ]
    [[ $output == *"a.tar is no longer what fccompose.lock.json says"*"lock --update"* ]]
    echo e >d/x
    run fccompose export -l dir:d x.tar
    [ "$status" -eq 1 ]
    fccompose lock --update a.tar
    fccompose export -l a.tar x.tar
    run fccompose export -l dir:d y.tar
    [ "$status" -eq 1 ]
    [ ! -e y.tar ]
}

@test "--locked wants a lock and the layer in it" {
    make_tar a.tar one
    make_tar b.tar two
    run fccompose init --locked a.tar
    [ "$status" -eq 1 ]
    [[ $output == *"there is no "*"fccompose.lock.json"* ]]
    [ ! -e .fccompose ]
    fccompose init a.tar
    fccompose lock
    run fccompose layer add --locked b.tar
    [ "$status" -eq 1 ]
    [[ $output == *"b.tar is not in fccompose.lock.json"* ]]
    fccompose layer add b.tar
    run fccompose lock --check
    [ "$status" -eq 1 ]
    fccompose lock
    fccompose lock --check
    fccompose export --locked -l a.tar -l b.tar x.tar
}

@test "a lock that is damaged, newer or strange is refused with its place" {
    make_tar a.tar one
    echo '{"layers": [' >fccompose.lock.json
    run fccompose init a.tar
    [ "$status" -eq 1 ]
    [[ $output == *"fccompose.lock.json: line 2"* ]]
    echo '{"layers": [], "version": 2}' >fccompose.lock.json
    run fccompose init a.tar
    [ "$status" -eq 1 ]
    [[ $output == *"version 2 of the lock"* ]]
    echo '{"layers": [{"locator": "a.tar", "layers": [{"diff_id": "sha256:12"}]}], "version": 1}' >fccompose.lock.json
    run fccompose init a.tar
    [ "$status" -eq 1 ]
    [[ $output == *"without a diff_id"* ]]
    [ ! -e .fccompose ]
}

@test "commits are in the lock, and hand-made parts of it stand" {
    fccompose init builtin:busybox
    fccompose write /x y
    fccompose commit mine
    fccompose lock
    grep -q '"locator": "commit:mine"' fccompose.lock.json
    fccompose lock --update
    [ "$(fccompose cat /x)" = y ]
}
