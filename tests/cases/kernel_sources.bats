#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# Kernels that must be fetched: kernel.org's layout, signatures, releases, Firecracker's configurations, Amazon's tags.
load ../lib/common

setup() {
    need python3 make gcc git gpg gpgv xz
    enter_workdir
    unset http_proxy https_proxy all_proxy no_proxy FCCOMPOSE_MIRROR FCCOMPOSE_REWRITE FCCOMPOSE_OFFLINE SOURCE_DATE_EPOCH MAKEFLAGS
    export XDG_CONFIG_HOME=$WORK/config
    "$LIB/make-kernel" tree linux
    for o in VIRTIO BLOCK BLK_DEV VIRTIO_BLK VIRTIO_MMIO EXT4_FS BINFMT_ELF 64BIT KVM_GUEST ACPI PCI; do echo "CONFIG_$o=y"; done >base.config
    mkdir -p www/v6.x www/fc
    tar -cf linux-6.1.99.tar linux
    publish 6.1.99
    mkfifo stdin
    "$LIB/http-server" www <stdin >port 3>&- &
    SERVER_PID=$!
    exec 7>stdin
    while [ ! -s port ]; do sleep 0.05; kill -0 "$SERVER_PID"; done
    URL=http://127.0.0.1:$(cat port)
    export FCCOMPOSE_REWRITE="https://cdn.kernel.org/pub/linux/kernel/=$URL/ https://www.kernel.org/=$URL/ https://raw.githubusercontent.com/firecracker-microvm/firecracker/=$URL/fc/"
}
teardown() {
    [ -z "${SERVER_PID:-}" ] || kill "$SERVER_PID" 2>/dev/null || true
    leave_workdir
}

# publish VERSION...: linux-6.1.99.tar under these names, as kernel.org does.
publish() {
    local v
    for v; do xz -0c linux-6.1.99.tar >"www/v6.x/linux-$v.tar.xz"; done
    { echo '-----BEGIN PGP SIGNED MESSAGE-----'; echo 'Hash: SHA256'; echo
      (cd www/v6.x && sha256sum ./*.tar.xz | sed 's|\./||')
      echo '-----BEGIN PGP SIGNATURE-----'; } >www/v6.x/sha256sums.asc
}
build() { fccompose --progress quiet kernel build --config base.config -o out "$@"; }

@test "kernel.org: by version, X.Y.0 is named X.Y, latest and lts; the second time without a network" {
    publish 6.1.99 6.1
    echo '{"latest_stable": {"version": "6.7.3"}, "releases": [{"moniker": "stable", "version": "6.7.3"}, {"moniker": "longterm", "version": "6.1.9"},
        {"moniker": "longterm", "version": "6.1.99"}]}' >www/releases.json
    build lts 2>err >/dev/null
    grep -q 'its signature was not checked: there is no keyring' err
    grep -q "\"origin\": \"https://cdn.kernel.org/pub/linux/kernel/v6.x/linux-6.1.99.tar.xz\"" out/kernel-6.1.99.json
    run build latest
    [[ $output == *"there is no kernel 6.7.3"* ]]
    build v6.1.0 >/dev/null 2>&1
    run build 6.8.0
    [[ $output == *"has no linux-6.8.tar.xz"* ]]
    run build 6.1.98
    [ "$status" -eq 1 ]
    [[ $output == *"there is no kernel 6.1.98"* ]]
    kill "$SERVER_PID" && wait "$SERVER_PID" || true
    build 6.1.99 --offline --set NET=y >/dev/null 2>&1
}

@test "a tar with another digest, or a wrong signature, is refused; a right one is in the manifest" {
    mkdir -m 700 gnupg
    gpg --homedir gnupg --batch -q --passphrase '' --quick-gen-key 'Test <t@example.org>' ed25519 sign never
    mkdir -p config/fccompose/keys
    gpg --homedir gnupg --batch -q --export >config/fccompose/keys/kernel.gpg
    gpg --homedir gnupg --batch -q --armor --detach-sign -o www/v6.x/linux-6.1.99.tar.sign linux-6.1.99.tar
    build 6.1.99 --require-signature >/dev/null
    key=$(gpg --homedir gnupg --batch --with-colons --list-keys | awk -F: '$1 == "fpr" { print $10; exit }')
    grep -q "\"signer\": \"$key\"" out/kernel-6.1.99.json
    echo other >other
    gpg --homedir gnupg --batch -q --yes --armor --detach-sign -o www/v6.x/linux-6.1.99.tar.sign other
    run build 6.1.99
    [ "$status" -eq 1 ]
    [[ $output == *"is not a good one"* ]]
    printf '\0\377\0\377' | dd of=www/v6.x/linux-6.1.99.tar.xz bs=1 seek=100 conv=notrunc status=none
    FCCOMPOSE_CACHE=$WORK/cache2
    run build 6.1.99
    [ "$status" -eq 1 ]
    [[ $output == *sha256* ]] || { echo "$output"; false; }
    [ -z "$(find cache2/kernels/src -mindepth 1 2>/dev/null)" ]
}

@test "Firecracker's configuration must have the pinned digest" {
    need_shared guest_configs/microvm-kernel-ci-x86_64-6.1.config
    mkdir -p www/fc/f2f43b6/resources/guest_configs
    cp "$SHARED/guest_configs/microvm-kernel-ci-x86_64-6.1.config" www/fc/f2f43b6/resources/guest_configs/
    fccompose -q kernel config 6.1 --arch x86_64 -o got
    diff <(grep -v '^#' got | LC_ALL=C sort) <(grep '^CONFIG_' www/fc/f2f43b6/resources/guest_configs/*6.1.config | LC_ALL=C sort)
    fccompose -q kernel config 6.6.3 --arch x86_64 -o got2
    cmp <(tail -n +2 got) <(tail -n +2 got2)
    echo '# more' >>www/fc/f2f43b6/resources/guest_configs/microvm-kernel-ci-x86_64-6.1.config
    FCCOMPOSE_CACHE=$WORK/cache2
    run fccompose -q kernel config 6.1 --arch x86_64
    [ "$status" -eq 1 ]
    [[ $output == *sha256* ]]
    run fccompose kernel config 5.10-no-acpi --arch arm64
    [ "$status" -eq 1 ]
    [[ $output == *"no configuration 5.10-no-acpi for aarch64"* ]]
}

@test "a preset is the newest of Amazon Linux' tags for it, by version" {
    git -c init.defaultBranch=main init -q repo
    for v in 9 100 20; do
        "$LIB/make-kernel" tree repo "6.1.$v"
        git -C repo add -A
        git -C repo -c user.name=t -c user.email=t@example.org commit -qm "$v"
        git -C repo -c user.name=t -c user.email=t@example.org tag -am "$v" "microvm-kernel-6.1.$v-1.2.amzn2023"
    done
    git -C repo tag microvm-kernel-5.10.300-1.amzn2
    git config --file gitconfig "url.$WORK/repo.insteadOf" https://github.com/amazonlinux/linux
    GIT_CONFIG_GLOBAL=$WORK/gitconfig build 6.1 >names
    grep -qx out/vmlinux-6.1.100 names
    grep -q 'microvm-kernel-6.1.100-1.2.amzn2023' out/kernel-6.1.100.json
    fccompose -q init builtin:busybox
    GIT_CONFIG_GLOBAL=$WORK/gitconfig build 6.1 --lock >names
    fccompose -q lock
    "$LIB/make-kernel" tree repo 6.1.101
    git -C repo add -A
    git -C repo -c user.name=t -c user.email=t@example.org commit -qm 101
    git -C repo tag microvm-kernel-6.1.101-1.2.amzn2023
    GIT_CONFIG_GLOBAL=$WORK/gitconfig build 6.1 --locked >names
    grep -qx out/vmlinux-6.1.100 names
    GIT_CONFIG_GLOBAL=$WORK/gitconfig build 6.1 --lock >names
    grep -qx out/vmlinux-6.1.101 names
    run build 5.10 --locked
    [ "$status" -eq 1 ]
    [[ $output == *"the kernel 5.10 is not in fccompose.lock.json"* ]]
    grep -q "git:$(git -C repo rev-parse 'microvm-kernel-6.1.100-1.2.amzn2023^{commit}')" out/kernel-6.1.100.json
}
