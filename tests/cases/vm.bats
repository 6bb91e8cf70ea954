#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# vm and boot: the configuration judged by a schema of its own, the console, how a guest ends and what status that gives.
load ../lib/common

setup() {
    need e2fsck
    enter_workdir
    export FCCOMPOSE_UML=$ROOT/tools/uml
}
teardown() {
    kill_users_of "$WORK/"
    leave_workdir
}

# $WORK/rootfs.ext4: the builtin busybox, with room.
make_image() { fccompose freeze -q -l builtin:busybox --free 8M rootfs.ext4; }

valid() {
    python3 -c 'import jsonschema' 2>/dev/null || skip "python3-jsonschema is not installed"
    python3 -c 'import json, sys, jsonschema
jsonschema.Draft202012Validator(json.load(open(sys.argv[1]))).validate(json.load(open(sys.argv[2])))' "$LIB/firecracker-config.json" "$1"
}

@test "vm: configurations are as Firecracker's API describes them" {
    truncate -s 4M rootfs.ext4 data.ext4
    : >vmlinux
    : >"initrd
\"x"
    fccompose vm rootfs.ext4 --kernel vmlinux >a.json
    valid a.json
    fccompose vm rootfs.ext4 --kernel vmlinux --vcpus 32 --memory 2G --net tap0,172.16.0.2/30,172.16.0.1 --net tap1 --ro --vsock 3,v.sock --entropy -o b.json
    valid b.json
    fccompose vm rootfs.ext4 --kernel vmlinux --overlay data.ext4 --pmem --guest-arch aarch64 -o c.json
    valid c.json
    fccompose vm --initrd "initrd
\"x" --kernel vmlinux --append 'a="b c"' -o d.json
    valid d.json
    python3 - <<'END'
import json, os
a, b, c, d = (json.load(open(f"{n}.json")) for n in "abcd")
assert a["boot-source"] == {"kernel_image_path": os.path.abspath("vmlinux"), "boot_args": "console=ttyS0 reboot=k panic=1"}, a
assert a["drives"] == [{"drive_id": "rootfs", "path_on_host": os.path.abspath("rootfs.ext4"), "is_root_device": True, "is_read_only": False}]
assert b["machine-config"] == {"vcpu_count": 32, "mem_size_mib": 2048}
assert b["network-interfaces"][0]["guest_mac"] == "06:00:AC:10:00:02" and "guest_mac" not in b["network-interfaces"][1]
assert "ip=172.16.0.2::172.16.0.1:255.255.255.252::eth0:off" in b["boot-source"]["boot_args"]
assert c["pmem"][0]["root_device"] is True and c["pmem"][0]["read_only"] is True and [x["drive_id"] for x in c["drives"]] == ["overlay"]
assert c["boot-source"]["boot_args"].startswith("keep_bootcon ") and "overlay_root=vda" in c["boot-source"]["boot_args"]
assert d["boot-source"]["initrd_path"].endswith('initrd\n"x') and d["drives"] == []
END
}

@test "vm: what cannot be is refused with words, and what the guest would not see is said" {
    truncate -s 1000000 odd.ext4
    : >vmlinux
    run fccompose vm odd.ext4 --kernel vmlinux -o o.json
    [ "$status" -eq 0 ]
    [[ $output == *"no multiple of 512"* ]]
    local args
    while read -r args; do
        # shellcheck disable=SC2086
        run fccompose vm $args
        [[ $status -eq 1 || $status -eq 2 ]] || { echo "$args: $output"; return 1; }
        [[ $output == fccompose:* ]]
    done <<'END'
odd.ext4
--kernel vmlinux
odd.ext4 --kernel vmlinux --pmem
odd.ext4 --kernel nothing
nothing --kernel vmlinux
odd.ext4 --kernel vmlinux --vcpus 0
odd.ext4 --kernel vmlinux --memory 1000
odd.ext4 --kernel vmlinux --net a/b
odd.ext4 --kernel vmlinux --vsock 1,x
--print tap-script
END
    run fccompose vm /jail/rootfs --kernel kernel --keep-paths
    [[ $status -eq 0 && $output == *'"/jail/rootfs"'* && $output == *'"kernel"'* ]]
}

@test "vm: the script for the tap device makes it and removes it" {
    need_root
    need ip iptables
    unshare -n true 2>/dev/null || skip "no network namespaces"
    fccompose vm --net tap7,172.31.9.2/30,172.31.9.1 --print tap-script >tap.sh
    sh -n tap.sh
    unshare -n sh -euc '
        ip tuntap add dev out mode tap 2>/dev/null || { echo no-tun; exit 0; }
        ip addr add 192.0.2.2/24 dev out && ip link set out up && ip route add default via 192.0.2.1
        sh tap.sh && sh tap.sh
        ip -o addr show dev tap7
        iptables -t nat -S POSTROUTING
        sh tap.sh down
        ip -o link show dev tap7 2>&1 || true
        iptables -t nat -S POSTROUTING | grep -c MASQ || true' >said 2>&1 || { cat said; return 1; }
    cat said
    ! grep -q no-tun said || skip "no tap devices here"
    grep -q '172.31.9.1/30' said
    [ "$(grep -c -- '-s 172.31.9.2/32 -o out -j MASQUERADE' said)" -eq 1 ]
    grep -q 'does not exist' said
    [ "$(tail -n 1 said)" = 0 ]
}

@test "boot: an image comes up, keys reach it, its end is ours, and it is not changed" {
    need linux.uml
    make_image
    local before
    before=$(sha256sum rootfs.ext4)
    mkfifo keys
    exec 7<>keys
    fccompose boot --vmm uml rootfs.ext4 --timeout 100 <keys >console 2>words &
    local machine=$!
    for _ in $(seq 100); do
        ! grep -aq 'seen-42' console || break
        echo 'echo changed >/etc/hostname; sync; echo seen-$((40+2))' >&7
        sleep 0.5
    done
    for _ in $(seq 100); do
        kill -0 $machine 2>/dev/null || break
        echo 'poweroff -f' >&7
        sleep 0.3
    done
    wait $machine
    exec 7>&-
    grep -aq 'seen-42' console
    grep -q 'booting rootfs.ext4 under user-mode Linux' words
    [ "$before" = "$(sha256sum rootfs.ext4)" ]
    [ -z "$(ls -d .fccompose-boot-* 2>/dev/null)" ]
}

@test "boot: an expression that is seen, one that is not, and a panic" {
    need linux.uml
    mkdir ws
    fccompose -C ws init -q builtin:busybox
    run fccompose boot ws --vmm uml --expect 'busybox is up$' </dev/null
    [ "$status" -eq 0 ]
    [[ $output == *"seen: fccompose: busybox is up"* ]]
    [ -z "$(ls ws/.fccompose/boot-* ws/.fccompose/frozen 2>/dev/null)" ]
    make_image
    run fccompose boot rootfs.ext4 --vmm uml --init /bin/nothing --timeout 100 </dev/null
    [ "$status" -eq 1 ]
    [[ $output == *"the guest's kernel panicked: "*"Requested init /bin/nothing failed"* ]]
    run fccompose boot rootfs.ext4 --vmm uml --expect 'no such words' --timeout 2 </dev/null
    [ "$status" -eq 1 ]
    [[ $output == *"no line of the console matched 'no such words': stopped after 2 s"* ]]
}

@test "boot: under QEMU with a real kernel, and a signal ends it" {
    need qemu-system-x86_64 xz
    need_shared kernels/vmlinux-6.1-x86_64.xz
    xz -dc "$SHARED/kernels/vmlinux-6.1-x86_64.xz" >vmlinux
    make_image
    run fccompose boot rootfs.ext4 --vmm qemu --kernel vmlinux --expect 'busybox is up' </dev/null
    [ "$status" -eq 0 ]
    fccompose boot rootfs.ext4 --vmm qemu --kernel vmlinux </dev/null >console 2>words &
    local machine=$!
    for _ in $(seq 100); do [ ! -s console ] || break; sleep 0.2; done
    kill -TERM $machine
    local code=0
    wait $machine || code=$?
    [ "$code" -eq 143 ]
    [ -z "$(ls -d .fccompose-boot-* 2>/dev/null)" ]
}

# Not run under KVM: a stand-in takes Firecracker's place and says what it was given.
@test "boot: Firecracker is given a configuration, a copy of the image and PCI" {
    make_image
    : >vmlinux
    cat >firecracker <<'END'
#!/bin/sh
echo "args: $*"
cp "$3" "$WORK/given.json"
image=$(sed -n 's/.*"path_on_host": "\(.*\)".*/\1/p' "$3" | head -n 1)
echo overwritten >"$image"
cmp -s "$image" "$WORK/rootfs.ext4" || echo "a copy"
echo "fccompose-init: exit status 7"
END
    chmod +x firecracker
    export WORK
    FCCOMPOSE_FIRECRACKER=$WORK/firecracker run fccompose boot rootfs.ext4 --kernel vmlinux --vmm firecracker --pci --entropy </dev/null
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"args: --no-api --config-file "*"/vm.json --enable-pci"*"a copy"*"ended with status 7"* ]]
    valid given.json
    fsck_clean rootfs.ext4
}

@test "boot: what cannot be run says why" {
    make_image
    run fccompose boot rootfs.ext4 --vmm qemu
    [[ $status -eq 1 && $output == *"needs a kernel"* ]]
    FCCOMPOSE_UML=/nothing run fccompose boot rootfs.ext4
    [[ $status -eq 1 && $output == *"user-mode Linux"* ]]
    run fccompose boot rootfs.ext4 --vmm uml --expect 'a(b'
    [[ $status -eq 1 && $output == *"no regular expression"* ]]
    run fccompose boot nothing.ext4
    [[ $status -eq 1 && $output == *"nothing.ext4: No such file"* ]]
    run fccompose boot rootfs.ext4 --write --snapshot
    [ "$status" -eq 2 ]
    run fccompose boot rootfs.ext4 --free 1M
    [ "$status" -eq 2 ]
}
