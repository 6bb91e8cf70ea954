#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# Images that other tools made, in the forms that they like: zstd:chunked, Docker's documents, SHA-512.

load ../lib/common
load ../lib/registry
load ../lib/images

setup() {
    enter_workdir
    # What skopeo and buildah remember of blobs would be put in the place of what they are to make here.
    export HOME=$PWD XDG_DATA_HOME=$PWD/data BUILDAH_ISOLATION=chroot
}
teardown() { stop_registries; leave_workdir; }

push_as() { # FORMAT OPTIONS...: of the layout "plain", as docker://$REGISTRY/FORMAT:v1
    skopeo --override-os linux copy --insecure-policy -q --dest-tls-verify=false -f "$1" "${@:2}" oci:plain:v1 "docker://$REGISTRY/$1:v1"
}
layers_of() { python3 -c 'import json, sys; print([x["digest"] for x in json.load(sys.stdin)["layers"]])'; }
raw() { skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/$1"; }

build() { buildah --storage-driver vfs --root "$PWD/storage" --runroot "$PWD/run" "$@"; }

# The images "one" and "two" of buildah, the second over the first: a layer each.
build_images() {
    local folder
    make_layers
    build from --name c scratch >/dev/null
    folder=$(build mount c)
    cp -a one/. "$folder/"
    build config --entrypoint '["/bin/thing", "-x"]' --env A=b --user 7:8 c
    build commit -q c one >/dev/null
    build from --name d one >/dev/null
    folder=$(build mount d)
    rm -r "$folder/gone" "$folder/dir/sub"
    cp -a three/random "$folder/new"
    build commit -q d two >/dev/null
}

@test "zstd:chunked, as skopeo makes it, gives the tree that umoci unpacks" {
    need docker-registry skopeo umoci
    need_root
    make_layers
    python3 "$LIB/make-image" plain v1 one.tar two.tar three.tar
    start_registry plain
    push_as oci --dest-compress-format zstd:chunked
    raw oci:v1 | grep -q zstd-chunked.manifest-checksum
    unpacked plain:v1 >theirs
    ours "docker://$REGISTRY/oci:v1" >mine
    diff -u theirs mine
    # And goes on as it came.
    fccompose push -l "docker://$REGISTRY/oci:v1" "docker://$REGISTRY/oci:v2"
    [ "$(raw oci:v2 | layers_of)" = "$(raw oci:v1 | layers_of)" ]
}

@test "Docker's manifests and lists of them, as skopeo makes them, are pulled, and what is pushed of them is read back" {
    need docker-registry skopeo umoci
    need_root
    make_layers
    python3 "$LIB/make-image" plain v1 one.tar two.tar three.tar
    python3 "$LIB/make-image" --platform linux/arm64 arm v1 one.tar
    python3 "$LIB/make-image" --index list v1 plain:v1 arm:v1
    start_registry plain
    push_as v2s2
    raw v2s2:v1 | grep -q distribution.manifest.v2+json
    unpacked plain:v1 >theirs
    ours "docker://$REGISTRY/v2s2:v1" >mine
    diff -u theirs mine
    skopeo copy --all --insecure-policy -q --dest-tls-verify=false -f v2s2 oci:list:v1 "docker://$REGISTRY/list:v1"
    raw list:v1 | grep -q manifest.list.v2+json
    fccompose export --arch amd64 -l "docker://$REGISTRY/list:v1" 1.tar
    fccompose export -l oci:plain:v1 2.tar
    cmp 1.tar 2.tar
    fccompose export --arch arm64 -l "docker://$REGISTRY/list:v1" 3.tar
    fccompose export -l oci:arm:v1 4.tar
    cmp 3.tar 4.tar
    fccompose init --arch amd64 "docker://$REGISTRY/list:v1"
    fccompose write /more more
    fccompose push "docker://$REGISTRY/back:v1"
    skopeo copy --insecure-policy -q --src-tls-verify=false "docker://$REGISTRY/back:v1" oci:back:v1
    unpacked back:v1 >theirs
    ours "docker://$REGISTRY/back:v1" >mine
    diff -u theirs mine
    grep -q more mine
}

@test "images of buildah: through a registry in both formats and zstd:chunked, as layout and archives" {
    need docker-registry skopeo umoci buildah
    need_root
    build_images
    build push -q --format oci two oci:lay:v1
    unpacked lay:v1 >theirs
    grep -q new theirs && ! grep -q gone theirs
    ours oci:lay:v1 >mine
    diff -u theirs mine
    agrees() { # LOCATOR
        FCCOMPOSE_CACHE=$PWD/fresh ours "$1" >mine
        diff -u theirs mine
        rm -rf fresh
    }
    start_registry plain
    build push -q --format oci --compression-format zstd:chunked --tls-verify=false two "docker://$REGISTRY/b:chunked"
    raw b:chunked | grep -q zstd-chunked.manifest-checksum
    agrees "docker://$REGISTRY/b:chunked"
    stop_registries
    rm -r registry-plain # or it would take these blobs for the next image too
    start_registry plain
    build push -q --format v2s2 --compression-format gzip --tls-verify=false two "docker://$REGISTRY/b:docker"
    raw b:docker | grep -q distribution.manifest.v2+json
    agrees "docker://$REGISTRY/b:docker"
    build push -q --format oci two oci-archive:o.tar:v1
    agrees oci-archive:o.tar:v1
    build push -q two docker-archive:d.tar:b:v1
    agrees docker-archive:d.tar
    fccompose init "docker://$REGISTRY/b:docker"
    fccompose config >config
    for word in /bin/thing -x A=b 7:8; do grep -qF -- "$word" config; done
}

@test "blobs that are named by SHA-512" {
    need_root
    make_layers
    python3 "$LIB/make-image" plain v1 one.tar two.tar three.tar
    python3 "$LIB/make-image" --sha512 lay v1 one.tar two.tar three.tar
    ours oci:plain:v1 >want
    ours oci:lay:v1 >mine
    diff -u want mine
    tar -C lay -cf lay.tar .
    FCCOMPOSE_CACHE=$PWD/fresh ours oci-archive:lay.tar >mine
    diff -u want mine
    rm -rf fresh
    mkfifo stop ports
    "$LIB/odd-registry" lay log <stop >ports 3>&- &
    exec 8>stop
    read -r port _ <ports
    for i in 1 2; do # the second time from the cache
        FCCOMPOSE_CACHE=$PWD/fresh ours "docker://127.0.0.1:$port/fine/x:v1" >mine
        diff -u want mine
    done
    # One that lies is refused wherever it comes from.
    blob=$(find lay/blobs/sha512 -size +250k)
    printf X | dd of="$blob" bs=1 seek=200000 conv=notrunc status=none
    tar -C lay -cf lay.tar .
    rm -rf fresh
    for from in oci:lay:v1 oci-archive:lay.tar "docker://127.0.0.1:$port/fine/x:v1"; do
        FCCOMPOSE_CACHE=$PWD/fresh run fccompose export -l "$from" x.tar
        [ "$status" -eq 1 ]
        [ ! -e x.tar ]
    done
    exec 8>&-
}
