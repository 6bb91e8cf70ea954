#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# Guest kernels: configurations, builds of a small tree with a kernel's entry points, results, reading what was built.
load ../lib/common

setup() {
    need python3 make gcc
    enter_workdir
    unset SOURCE_DATE_EPOCH MAKEFLAGS
    "$LIB/make-kernel" tree linux
    for o in VIRTIO BLOCK BLK_DEV VIRTIO_BLK VIRTIO_MMIO EXT4_FS BINFMT_ELF 64BIT KVM_GUEST ACPI PCI IKCONFIG; do echo "CONFIG_$o=y"; done >base.config
}
teardown() { leave_workdir; }

build() { fccompose --progress quiet kernel build --source linux --config base.config -o out "$@"; }

@test "presets with their dates, fragments, and a merge that names both places of a conflict" {
    fccompose kernel ls >ls
    grep -q '6.18 .*until 2028-06-01' ls
    grep -q '^  docker ' ls
    printf 'CONFIG_TUN=y\nCONFIG_NET=y\n' >one.config
    printf '# my own\n# CONFIG_TUN is not set\nCONFIG_TEXT="a b"\n' >two.config
    fccompose kernel config --config base.config --fragment ./one.config,./two.config --set CONFIG_PCI=n -o merged 2>err
    grep -q 'CONFIG_TUN: ./one.config:1 says y, ./two.config:2 says n; the later one counts' err
    [ "$(wc -l <err)" -eq 1 ]
    grep -qx '# CONFIG_TUN is not set' merged
    grep -qx '# CONFIG_PCI is not set' merged
    grep -qx 'CONFIG_TEXT="a b"' merged
    echo 'CONFIG_TUN = y' >bad.config
    run fccompose kernel config --config bad.config
    [ "$status" -eq 1 ]
    [[ $output == *"bad.config:1: expected CONFIG_NAME=VALUE"* ]]
    run fccompose kernel config --config base.config --fragment dcoker
    [ "$status" -eq 1 ]
    [[ $output == *"no fragment \"dcoker\""*docker* ]]
}

@test "every fragment is a configuration with no option twice" {
    fccompose kernel ls --json >ls.json
    for f in $(python3 -c 'import json; print(*[f["name"] for f in json.load(open("ls.json"))["fragments"]])'); do
        fccompose kernel config --config minimal --fragment "$f" -o merged 2>err
        [ ! -s err ]
    done
}

@test "a build: files, notes, manifest; the second from the cache; another cache and folder give the same bytes" {
    build >names
    diff - <(sort names) <<<"out/bzImage-6.1.99
out/kernel-6.1.99.json
out/vmlinux-6.1.99
out/vmlinux-6.1.99.config"
    readelf -n out/vmlinux-6.1.99 | grep -q Xen
    zcat "$(find cache -name config.gz)" | cmp - out/vmlinux-6.1.99.config
    python3 - <<'P'
import hashlib, json
m = json.load(open("out/kernel-6.1.99.json"))
assert m["version"] == "6.1.99" and m["arch"] == "x86_64", m
for f in m["files"]:
    data = open("out/" + f["name"], "rb").read()
    assert f["digest"] == "sha256:" + hashlib.sha256(data).hexdigest() and f["size"] == len(data), f
P
    fccompose kernel check out/vmlinux-6.1.99 >check || { cat check; false; }
    grep -q 'PVH entry at 0x1000510' check
    grep -q 'embedded' check
    build --json >again.json
    grep -q '"cached": true' again.json
    fccompose kernel ls | grep -q '^  6.1.99  *x86_64, base.config, /.*/kernels/built/'
    cp -a linux "$WORK/other-place"
    FCCOMPOSE_CACHE=$WORK/cache2 fccompose -q kernel build --source other-place --config base.config -o out2 --set DEBUG_INFO=y >/dev/null
    FCCOMPOSE_CACHE=$WORK/cache3 fccompose -q kernel build --source linux --config base.config -o out3 --set DEBUG_INFO=y >/dev/null
    cmp out2/vmlinux-6.1.99 out3/vmlinux-6.1.99
    cmp out2/vmlinux-6.1.99.debug.gz out3/vmlinux-6.1.99.debug.gz
    ! zcat out3/vmlinux-6.1.99.debug.gz | grep -aq "$WORK" || { echo "the symbols name the folder"; false; }
    grep -a 'Linux version' out3/vmlinux-6.1.99 | grep -aq '(fccompose@fccompose) #1 '
}

@test "symbols go into a file of their own, which the kernel names" {
    build --set DEBUG_INFO=y >names
    grep -qx out/vmlinux-6.1.99.debug.gz names
    ! readelf -S out/vmlinux-6.1.99 | grep -q debug_info
    gunzip -k out/vmlinux-6.1.99.debug.gz
    readelf -S out/vmlinux-6.1.99.debug | grep -q debug_info
    # The link has the name, padded to 4, and the CRC-32 of the file.
    objcopy -O binary --only-section=.gnu_debuglink --set-section-flags .gnu_debuglink=alloc out/vmlinux-6.1.99 link
    python3 -c '
import zlib
link, data = open("link", "rb").read(), open("out/vmlinux-6.1.99.debug", "rb").read()
assert link.startswith(b"vmlinux-6.1.99.debug\0"), link
assert link[-4:] == zlib.crc32(data).to_bytes(4, "little")'
}

@test "what did not survive is said with why; what booting needs is an error" {
    build --set GONE=y --set NET=y --set TRACE=y 2>err >/dev/null
    grep -q 'CONFIG_GONE=y (--set:1) did not survive: it is n; needs .*ABSENT (n)' err
    grep -q 'CONFIG_TRACE=y (--set:1) did not survive: it is n; this source has no such option' err
    ! grep -q 'CONFIG_NET' err
    run build --set VIRTIO_BLK=n
    [ "$status" -eq 1 ]
    [[ $output == *"the guest would not boot: CONFIG_VIRTIO_BLK is not set"*--no-check* ]]
    build --set VIRTIO_BLK=n --no-check
    run fccompose kernel check out/vmlinux-6.1.99
    [ "$status" -eq 1 ]
    grep -q '^error  *option-VIRTIO_BLK: CONFIG_VIRTIO_BLK is not set' <<<"$output"
    # Without ACPI it has another name, and other needs.
    run build --set ACPI=n
    [ "$status" -eq 1 ]
    build --set ACPI=n --no-check >names
    grep -qx out/vmlinux-6.1.99-no-acpi names
}

@test "why: menus, conditions and continued lines around an option; help texts are not read" {
    printf 'CONFIG_NET=y\n' >c
    fccompose kernel why GONE --source linux --config c >why
    grep -q '^CONFIG_GONE is n: needs .*ABSENT (n)' why
    grep -q '^depends on NET && *ABSENT' why
    grep -q '^depends on BLOCK$' why
    grep -q '^defined at more/Kconfig:' why
    fccompose kernel why TUN --source linux --json >why.json
    python3 -c 'import json; assert json.load(open("why.json"))["selected"] == []'
}

@test "a build that fails shows the first error and keeps the log; the next goes on from there" {
    run build --set FAIL=y
    [ "$status" -eq 1 ]
    [[ $output == *"opt/FAIL.c:2:2: error: #error this option does not compile"* ]]
    log=$(sed -n 's/.*its whole output is in //p' <<<"$output")
    grep -q 'CC      opt/FAIL.o' "$log"
    [ ! -e out ]
    [ -z "$(find cache/kernels/built -mindepth 1 2>/dev/null)" ]
    sed -i 's/#error.*/int mended;/' linux/opt/FAIL.c
    build --set FAIL=y --json >again.json
    log=$(python3 -c 'import json; print(json.load(open("again.json"))["log"])')
    grep -q 'CC      opt/FAIL.o' "$log"
    [ "$(grep -c '  CC ' "$log")" -le 6 ]
}

@test "an interrupted build ends its make, and is gone on with" {
    fccompose -q kernel build --source linux --config base.config -o out --set SLOW=y -j 1 >/dev/null 2>&1 3>&- &
    pid=$!
    until grep -rqs 'opt/SLOW' cache/kernels/logs; do sleep 0.1; kill -0 $pid; done
    kill -INT $pid || true
    kill -TERM $pid 2>/dev/null || true
    wait $pid || true
    made=$(find cache/kernels/objects -name '*.o' | wc -l)
    [ "$made" -ge 3 ]
    tick=0
    while pgrep -f "O=$WORK/cache" >/dev/null; do [ $((tick++)) -lt 100 ]; sleep 0.1; done
    sed -i 's/sleep 30/sleep 0/' linux/Makefile
    build --set SLOW=y --json >json
    log=$(python3 -c 'import json; print(json.load(open("json"))["log"])')
    [ "$(grep -c '  CC ' "$log")" -le $((13 - made + 2)) ]
    [ -s out/vmlinux-6.1.99 ]
}

@test "modules are a layer" {
    build --set MODULES=y --set NET=y --set DUMMY=m >names
    grep -qx out/modules-6.1.99.tar names
    fccompose -C ws init -q "$PWD/out/modules-6.1.99.tar"
    fccompose -C ws cat /lib/modules/6.1.99/kernel/DUMMY.ko | cmp - "$(find cache -path '*opt/DUMMY.o')"
    tar -tvf out/modules-6.1.99.tar | awk '{ if ($2 != "0/0") exit 1 }'
    ! tar -tf out/modules-6.1.99.tar | grep -q /build
}

@test "sources: a tar, patches, a git repository at a tag; a tree that was built in is refused" {
    need git patch
    tar -cJf linux.tar.xz linux
    fccompose -q kernel build --source linux.tar.xz --config base.config -o a >/dev/null
    [ -s a/vmlinux-6.1.99 ]
    grep -q "\"digest\": \"sha256:$(sha256sum <linux.tar.xz | cut -d' ' -f1)\"" a/kernel-6.1.99.json
    run fccompose -q kernel build --source linux.tar.xz --config base.config -o b --digest "sha256:$(printf '0%.0s' {1..64})"
    [ "$status" -eq 1 ]
    [[ $output == *"the lock has sha256:0000"* ]]
    mkdir patches
    cp linux/main.c main.orig
    sed 's/for (;;) ;/for (;;) __asm__("hlt");/' main.orig >main.new
    diff -u --label a/main.c --label b/main.c main.orig main.new >patches/0001-halt.patch || true
    fccompose -q kernel build --source linux.tar.xz --config base.config --patch patches -o b >/dev/null
    ! cmp -s a/vmlinux-6.1.99 b/vmlinux-6.1.99
    cmp linux/main.c main.orig
    git -c init.defaultBranch=main init -q repo
    cp -r linux/. repo/
    git -C repo add -A
    git -C repo -c user.name=t -c user.email=t@example.org commit -qm one
    git -C repo tag v1
    commit=$(git -C repo rev-parse v1)
    fccompose -q kernel build --source "git:$WORK/repo#v1" --config base.config -o c >/dev/null
    grep -q "\"digest\": \"git:$commit\"" c/kernel-6.1.99.json
    : >linux/.config
    run build --set NET=y
    [ "$status" -eq 1 ]
    [[ $output == *"was built in"*mrproper* ]]
}

@test "a vmlinux comes out of every form as it went in; what is cut is refused" {
    need xz bzip2 lz4 zstd lzma
    build >/dev/null
    cp out/vmlinux-6.1.99 vmlinux
    "$LIB/make-kernel" forms .
    for f in bzImage-*; do
        fccompose -q kernel extract "$f" -o got || { echo "$f"; false; }
        cmp got vmlinux || { echo "$f"; false; }
        fccompose kernel check "$f" >check
        grep -q 'kernel-format: a bzImage' check
    done
    for f in zboot-gzip zboot-zstd Image.gz; do
        fccompose -q kernel extract "$f" -o got
        cmp got Image || { echo "$f"; false; }
        run fccompose kernel check "$f"
        [ "$status" -eq 1 ]
        [[ $output == *"Firecracker refuses it"*"kernel extract"* ]]
    done
    fccompose kernel check Image --machine x86_64 >check && false
    grep -q 'it is for aarch64, the machine is x86_64' check
    fccompose -q kernel extract bzImage-gzip
    cmp vmlinux-6.1.99 vmlinux
    for f in vmlinux bzImage-xz bzImage-zstd zboot-gzip; do
        head -c 700 "$f" >cut
        run fccompose kernel check cut
        [ "$status" -eq 1 ]
        [[ $output == *cut* ]]
    done
    head -c 100000 /dev/urandom >noise
    run fccompose kernel check noise
    [ "$status" -eq 1 ]
    [[ $output == *"neither a kernel"* ]]
}
