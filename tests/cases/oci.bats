#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Images in and out, judged by skopeo, umoci and a real registry.

load ../lib/common
load ../lib/registry
load ../lib/images

setup() { enter_workdir; }
teardown() { stop_registries; leave_workdir; }

@test "an image layout gives the tree that umoci unpacks" {
    need umoci zstd
    need_root
    make_layout
    # This umoci reads no zstd: it is shown the same layers as skopeo made them gzip.
    python3 "$LIB/make-image" lay2 v1 one.tar two.tar.gz three.tar
    unpacked lay2:v1 >theirs
    ours oci:lay:v1 >mine
    diff -u theirs mine
    ! grep -q gone mine
    grep -q cap_net_raw mine || grep -q security.capability mine || ! grep -q capability theirs
}

@test "archives of both kinds are the same image" {
    need skopeo
    make_layout
    python3 "$LIB/make-image" lay2 v1 one.tar two.tar.gz three.tar # docker's have no zstd
    skopeo copy --insecure-policy -q oci:lay:v1 oci-archive:a.tar:t1
    skopeo copy --insecure-policy -q oci:lay2:v1 docker-archive:d.tar:my/app:t2
    fccompose export -l oci:lay:v1 1.tar
    fccompose export -l oci-archive:a.tar 2.tar
    fccompose export -l oci-archive:a.tar:t1 3.tar
    gzip -k d.tar
    fccompose export -l docker-archive:- 4.tar <d.tar.gz
    fccompose export -l docker-archive:d.tar:my/app:t2 5.tar
    fccompose export -l docker-archive:d.tar:docker.io/my/app:t2 6.tar
    for i in 2 3 4 5 6; do cmp 1.tar $i.tar; done
    run fccompose export -l docker-archive:d.tar:my/app:t3 x.tar
    [ "$status" -eq 1 ]
    [[ $output == *"there is no my/app:t3 in it; there is: docker.io/my/app:t2"* ]]
    run fccompose export -l oci-archive:a.tar:nope x.tar
    [ "$status" -eq 1 ]
    [[ $output == *'there is no "nope"'*'there is: t1'* ]]
    [ ! -e x.tar ]
}

@test "a damaged blob is refused, by its name, and nothing of it stays" {
    make_layout
    blob=$(find lay/blobs -size +250k)
    printf X | dd of="$blob" bs=1 seek=200000 conv=notrunc status=none
    run fccompose init oci:lay:v1
    [ "$status" -eq 1 ]
    [[ $output == *"layer 3 of 3"* ]]
    [ ! -e .fccompose ]
    [ "$(find cache/layers -mindepth 1 -maxdepth 1 -type d ! -name '.*' | wc -l)" -eq 2 ]
    truncate -s -1 "$blob"
    run fccompose init oci:lay:v1
    [ "$status" -eq 1 ]
    [[ $output == *"bytes long, not"* ]]
}

@test "a diffID that lies is refused" {
    make_layout
    python3 "$LIB/make-image" --wrong-diffid lie v1 one.tar two.tar.gz
    run fccompose init oci:lie:v1
    [ "$status" -eq 1 ]
    [[ $output == *"diffID"* ]]
}

@test "an index of platforms: the one that is asked for, or the list" {
    make_layout
    python3 "$LIB/make-image" --platform linux/arm64 lay arm one.tar
    python3 "$LIB/make-image" --index multi v1 lay:v1 lay:arm
    fccompose export -l oci:multi:v1 --arch arm64 arm.tar
    fccompose export -l oci:lay:arm lone.tar # the only one will do, with a word
    cmp arm.tar lone.tar
    run fccompose export -l oci:multi:v1 --arch riscv64 x.tar
    [ "$status" -eq 1 ]
    [[ $output == *"linux/riscv64"*"linux/amd64, linux/arm64"* ]]
}

@test "a registry: pulled by tag and digest, once, and then offline" {
    need docker-registry skopeo
    make_layout
    start_registry plain
    skopeo copy --insecure-policy -q --dest-tls-verify=false oci:lay:v1 "docker://$REGISTRY/a/b:v1"
    fccompose export -l "docker://$REGISTRY/a/b:v1" 1.tar
    fccompose export -l oci:lay:v1 2.tar
    cmp 1.tar 2.tar
    digest=$(skopeo inspect --tls-verify=false "docker://$REGISTRY/a/b:v1" --format '{{.Digest}}')
    fccompose export -l "docker://$REGISTRY/a/b@$digest" 3.tar
    cmp 1.tar 3.tar
    # The cache is a layout that others read.
    skopeo copy --insecure-policy -q "oci:$FCCOMPOSE_CACHE/oci:$REGISTRY/a/b:v1" oci:copy:x
    run fccompose export -l "docker://$REGISTRY/a/b:v2" x.tar
    [ "$status" -eq 1 ]
    [[ $output == *"v2 is not there"* ]]
    stop_registries
    rm -rf "$FCCOMPOSE_CACHE/layers"
    fccompose export --offline -l "docker://$REGISTRY/a/b:v1" 4.tar
    cmp 1.tar 4.tar
    run fccompose export --offline -l "docker://$REGISTRY/a/b:v3" x.tar
    [ "$status" -eq 1 ]
    [[ $output == *"offline"* ]]
}

@test "a registry with TLS and a password: login, push, pull, logout" {
    need docker-registry htpasswd openssl umoci skopeo
    start_registry tls
    export SSL_CERT_FILE=$PWD/ca.pem REGISTRY_AUTH_FILE=$PWD/auth.json
    fccompose init builtin:busybox
    run fccompose push "docker://$REGISTRY/me/box:1"
    [ "$status" -eq 1 ]
    [[ $output == *"fccompose login"* ]]
    run fccompose login -u me --password-stdin "$REGISTRY" <<<wrong
    [ "$status" -eq 1 ]
    [ ! -e auth.json ]
    fccompose login -u me --password-stdin "$REGISTRY" <<<secret
    [ "$(stat -c %a auth.json)" = 600 ]
    fccompose push "docker://$REGISTRY/me/box:1"
    mkdir other && fccompose -C other init "docker://$REGISTRY/me/box:1"
    fccompose export 1.tar
    fccompose -C other export "$PWD/2.tar"
    cmp 1.tar 2.tar
    mkdir certs
    skopeo inspect --cert-dir certs --tls-verify=false --authfile auth.json "docker://$REGISTRY/me/box:1" >/dev/null
    fccompose logout "$REGISTRY"
    run fccompose -C other push "docker://$REGISTRY/me/box:2"
    [ "$status" -eq 1 ]
    run grep -r secret auth.json registry-tls.log
    [ "$status" -eq 1 ]
}

@test "what is pushed unpacks the same in umoci and skopeo, and not a blob is sent twice" {
    need docker-registry skopeo umoci
    need_root
    make_layout
    start_registry plain
    python3 "$LIB/make-image" lay2 v1 one.tar two.tar.gz three.tar # this umoci reads no zstd
    fccompose init oci:lay2:v1
    fccompose write /etc-like/x hello -p
    fccompose rm /file
    fccompose config --entrypoint '["/bin/app"]' -e A=b --label l=m
    fccompose push --chunk-size 100K "docker://$REGISTRY/x/y:1" 2>first
    fccompose push "docker://$REGISTRY/x/y:2" 2>second
    grep -q '5 blobs sent' first
    grep -q '0 blobs sent' second
    fccompose push --mount-from x/y "docker://$REGISTRY/x/z:1" 2>third
    grep -q '0 blobs sent' third
    skopeo copy --insecure-policy -q --src-tls-verify=false "docker://$REGISTRY/x/y:1" oci:back:t
    unpacked back:t >theirs
    mkdir tree && fccompose export - | tar -C tree --xattrs --xattrs-include='*' -xpf -
    "$LIB/manifest" tree >mine
    diff -u theirs mine
    skopeo inspect --config oci:back:t | grep -q /bin/app
}

@test "exported images are the same bytes each time, and others read them" {
    need skopeo
    fccompose init builtin:busybox
    fccompose write /x hello
    fccompose export -f oci-archive 1.tar
    rm -rf "$FCCOMPOSE_CACHE/oci"
    fccompose export -f oci-archive 2.tar
    cmp 1.tar 2.tar
    skopeo copy --insecure-policy -q oci-archive:1.tar oci:a:t
    fccompose export -f docker-archive -t my:1 d.tar
    skopeo copy --insecure-policy -q docker-archive:d.tar oci:b:t
    fccompose export -f oci -t x c
    fccompose export -f oci -t y --squash --compression zstd c
    skopeo inspect oci:c:x >/dev/null
    fccompose export 3.tar
    for l in oci:a:t oci:b:t oci:c:x oci:c:y oci-archive:1.tar docker-archive:d.tar:my:1; do
        fccompose export -l "$l" 4.tar
        cmp 3.tar 4.tar
    done
    run fccompose export --squash x.tar
    [ "$status" -eq 2 ]
}

@test "an image's configuration stays with the workspace" {
    make_layout
    python3 "$LIB/make-image" --entrypoint /bin/thing lay c one.tar
    fccompose init oci:lay:c
    fccompose config | grep -q /bin/thing
    fccompose config --cmd 'echo $HOME' -w /srv -u 1:2 --expose 80/tcp --volume /data --stop-signal SIGINT
    fccompose config >now
    for w in /bin/thing '"echo $HOME"' /srv 1:2 80/tcp /data SIGINT; do grep -qF "$w" now; done
    run fccompose config --expose 0
    [ "$status" -eq 1 ]
    fccompose config >after
    cmp now after
    fccompose config --clear --author me
    ! fccompose config | grep -q thing
}
