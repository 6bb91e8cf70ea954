#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# guest enable on whole distributions: Debian's systemd and OpenRC, each judged by its own tools and booted.
load ../lib/common

setup() { enter_workdir; }
teardown() { leave_workdir; }

# A Debian with these packages, kept under build/: debian NAME PACKAGE,...; sets TREE.
debian() {
    need_root
    need mmdebstrap
    TREE=$FIXTURES/$1.tar
    mkdir -p "$FIXTURES"
    [ -s "$TREE" ] || { mmdebstrap -q --variant=minbase --include="$2" bookworm "$TREE.part.tar" >"$WORK/mmdebstrap.log" 2>&1 3>&- 4>&- 5>&- &&
        mv "$TREE.part.tar" "$TREE"; } || skip "mmdebstrap failed: $(tail -n 1 "$WORK/mmdebstrap.log")"
}

# Boot a copy of image.ext4 under user-mode Linux with INIT; whole distributions may take minutes on a busy machine.
boot() { # INIT COMMAND WORD
    need linux.uml
    cp --sparse=always image.ext4 boot.img
    boot_machine "$2" "$3" 300 "$ROOT/tools/uml" "ubd0=$WORK/boot.img" root=/dev/ubda rw mem=256M con=null con0=fd:0,fd:1 "init=$1"
}

# Links of a folder, one a line.
links() { (cd "$1" && find . -type l -printf '%p -> %l\n' | sort); }

# The workspace's tree as files in ours/.
extract() {
    fccompose export -q ours.tar
    mkdir ours
    tar -C ours -xf ours.tar
}

systemd_tree() { debian systemd systemd-sysv,udev,dbus,openssh-server,iproute2,systemd-resolved,systemd-timesyncd; }

@test "guest: systemd's links are those that the tree's own systemctl makes" {
    systemd_tree
    fccompose init -q "$TREE"
    echo 'ssh-ed25519 AAAA' >key.pub
    fccompose guest enable --autologin --ssh-key key.pub --net mac >out
    extract
    mkdir real
    tar -C real -xf "$TREE"
    cp ours/etc/systemd/system/fccompose-*.service real/etc/systemd/system/
    chroot real systemctl -q enable serial-getty@ttyS0.service /usr/share/systemd/tmp.mount ssh.service \
        fccompose-ssh-keys.service fccompose-net.service
    chroot real systemctl -q set-default multi-user.target
    chroot real systemctl -q disable systemd-timesyncd.service systemd-resolved.service
    links real/etc/systemd/system >real.links
    links ours/etc/systemd/system >ours.links
    diff real.links ours.links
}

@test "guest: Debian's systemd boots to a root shell under QEMU, with no unit failed" {
    systemd_tree
    fccompose init -q "$TREE"
    echo 'ssh-ed25519 AAAA' >key.pub
    fccompose guest enable --autologin --hostname sys1 --ssh-key key.pub --net mac --hygiene >out
    fccompose freeze -q image.ext4 --free 200M
    need qemu-system-x86_64 xz
    need_shared kernels/vmlinux-6.1-x86_64.xz
    xz -dc "$SHARED/kernels/vmlinux-6.1-x86_64.xz" >vmlinux
    cp --sparse=always image.ext4 boot.img
    boot_machine 'clear; echo "up $(systemctl is-system-running) $(hostname) $(systemctl get-default)"; ip -4 -o addr; ls /etc/ssh; findmnt /tmp' \
        'up running sys1 multi-user.target' 400 qemu-system-x86_64 -M q35 -cpu max -m 512 -nographic -no-reboot -kernel vmlinux \
        -append 'console=ttyS0 root=/dev/vda rw panic=-1' -drive file=boot.img,format=raw,if=virtio \
        -netdev user,id=n -device virtio-net-pci,netdev=n,mac=06:00:AC:10:00:02
    grep -aq 'inet 172.16.0.2/30' boot.log
    grep -aq 'Reached target.*multi-user.target' boot.log
}

@test "guest: a systemd of Debian's boots to a login prompt under user-mode Linux, without --autologin" {
    systemd_tree
    fccompose init -q "$TREE"
    fccompose guest enable --console tty0 --password '' --hostname sys1 >out
    fccompose freeze -q image.ext4 --free 200M
    boot /sbin/init root 'root@sys1:~#'
}

@test "guest: OpenRC's links are those of rc-update, and it boots to a root shell under user-mode Linux" {
    debian openrc openrc,sysvinit-core
    fccompose init -q "$TREE"
    fccompose guest enable --console tty0 --autologin >out
    extract
    mkdir real
    tar -C real -xf "$TREE"
    ln -s agetty real/etc/init.d/agetty.tty0
    chroot real rc-update add agetty.tty0 default
    links real/etc/runlevels >real.links
    links ours/etc/runlevels >ours.links
    diff real.links ours.links
    fccompose freeze -q image.ext4 --free 64M
    boot /sbin/openrc-init 'echo "prompt-$((40+2)) on $(tty)"' 'prompt-42 on /dev/tty0'
}
