#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# guest enable: what it does to real trees, judged by booting them, by systemctl, and by what a second call finds.
load ../lib/common

setup() { enter_workdir; }
teardown() { leave_workdir; }

alpine_workspace() {
    need_alpine
    fccompose init -q "$ALPINE"
}

@test "guest: a second call changes nothing, byte for byte, and reset undoes the first" {
    alpine_workspace
    local options=(--autologin --hostname web1 --password secret --net mac --hygiene)
    fccompose freeze -q before.ext4
    fccompose guest enable "${options[@]}" --dry-run >planned
    [ -z "$(fccompose diff)" ]
    fccompose guest enable "${options[@]}" >edits
    cmp planned edits
    grep -q '^start a getty on ttyS0' edits
    fccompose freeze -q one.ext4
    fccompose guest enable "${options[@]}" >again
    [ ! -s again ]
    fccompose freeze -q two.ext4
    cmp one.ext4 two.ext4
    run cmp -s before.ext4 one.ext4
    [ "$status" -eq 1 ]
    fccompose reset -q
    fccompose freeze -q after.ext4
    cmp before.ext4 after.ext4
}

@test "guest: a mounted tree becomes the same" {
    need_fuse
    alpine_workspace
    fccompose guest enable --autologin --hostname web1 --net mac >direct
    fccompose export -q direct.tar
    fccompose reset -q
    fccompose mount -q
    fccompose guest enable --autologin --hostname web1 --net mac >mounted
    [ "$(cat rootfs/etc/hostname)" = web1 ]
    grep -q '^ttyS0::respawn' rootfs/etc/inittab
    fccompose guest enable --autologin --hostname web1 --net mac >again
    [ ! -s again ]
    fccompose export -q mounted.tar
    fccompose umount
    cmp direct mounted
    mkdir a b
    tar -C a -xf direct.tar
    tar -C b -xf mounted.tar
    diff -r --no-dereference a b
}

@test "guest: JSON, wrong usage, keys and passwords from files" {
    alpine_workspace
    run fccompose guest enable --init systmd
    [ "$status" -eq 2 ]
    [[ $output == *"did you mean systemd?"* ]]
    run fccompose guest enable --password a --password-hash '$6$a$b'
    [ "$status" -eq 2 ]
    run fccompose guest enable --password '$6$'
    [ "$status" -eq 1 ]
    [[ $output == *--password-hash* ]]
    printf -- '-----BEGIN OPENSSH PRIVATE KEY-----\nx\n' >key
    run fccompose guest enable --ssh-key key
    [ "$status" -eq 1 ]
    [[ $output == *"private key"* ]]
    printf '# mine\nssh-ed25519 AAAA me\r\n\nssh-rsa BBBB' >keys.pub
    printf 'from a file\nmore\n' | fccompose guest enable --password-file - --ssh-key keys.pub --json >out.json 2>err
    python3 - <<'PY'
import json
o = json.load(open("out.json"))
assert o["init"] == "busybox" and not o["dry_run"], o
paths = [a["path"] for a in o["actions"]]
assert "/etc/shadow" in paths and "/root/.ssh/authorized_keys" in paths, paths
assert any("sshd" in n for n in o["notes"]), o
PY
    [ "$(fccompose cat /root/.ssh/authorized_keys)" = "$(printf 'ssh-ed25519 AAAA me\nssh-rsa BBBB')" ]
    # openssl is the judge of the hash.
    need openssl
    local hash
    hash=$(fccompose cat /etc/shadow | awk -F: '$1 == "root" { print $2 }')
    [ "$(openssl passwd -6 -salt "$(cut -d'$' -f3 <<<"$hash")" 'from a file')" = "$hash" ]
}

@test "guest: systemd's links are those that systemctl makes" {
    need systemctl
    local units=/usr/lib/systemd/system
    [ -e $units/serial-getty@.service ] || skip "no units of systemd here"
    mkdir -p tree/usr/lib/systemd/system tree/usr/sbin tree/usr/bin tree/etc/systemd/system/sysinit.target.wants \
        tree/etc/systemd/system/getty.target.wants
    cp -a $units/{serial-getty@,getty@,systemd-networkd,systemd-networkd-wait-online,systemd-network-generator}.service \
        $units/{systemd-networkd.socket,multi-user.target,graphical.target} tree/usr/lib/systemd/system/
    printf '[Install]\nWantedBy=sysinit.target\nAlias=dbus-org.freedesktop.timesync1.service\n' \
        >tree/usr/lib/systemd/system/systemd-timesyncd.service
    printf '[Install]\nWantedBy=multi-user.target\nAlias=sshd.service\n' >tree/usr/lib/systemd/system/ssh.service
    ln -s usr/lib tree/lib
    ln -s usr/sbin tree/sbin
    ln -s ../lib/systemd/systemd tree/usr/sbin/init
    for f in lib/systemd/systemd sbin/agetty sbin/sshd bin/ssh-keygen bin/udevadm sbin/ip; do printf x >"tree/usr/$f"; chmod 755 "tree/usr/$f"; done
    printf 'root::0:0:root:/root:/bin/sh\n' >tree/etc/passwd
    systemctl -q --root="$WORK/tree" enable systemd-timesyncd.service getty@tty1.service
    systemctl -q --root="$WORK/tree" set-default graphical.target
    echo 'ssh-ed25519 AAAA' >key.pub
    links() { (cd "$1/etc/systemd/system" && find . -type l -printf '%p -> %l\n' | sort); }
    local net
    for net in mac dhcp; do
        rm -rf ws ours real .fccompose
        fccompose init -q --owner 0:0 dir:tree
        fccompose guest enable --autologin --ssh-key key.pub --net $net >out
        fccompose export -q out.tar
        mkdir ours
        tar -C ours -xf out.tar
        cp -a tree real
        cp ours/etc/systemd/system/fccompose-*.service real/etc/systemd/system/
        systemctl -q --root="$WORK/real" enable serial-getty@ttyS0.service ssh.service fccompose-ssh-keys.service
        systemctl -q --root="$WORK/real" set-default multi-user.target
        systemctl -q --root="$WORK/real" disable systemd-timesyncd.service
        if [ $net = mac ]; then
            systemctl -q --root="$WORK/real" enable fccompose-net.service
        else
            systemctl -q --root="$WORK/real" enable systemd-networkd.service
        fi
        links real >real.links
        links ours >ours.links
        [ "$(wc -l <ours.links)" -gt 6 ]
        diff real.links ours.links
    done
}

@test "guest: BusyBox's init boots to a login prompt under user-mode Linux" {
    alpine_workspace
    fccompose guest enable --console tty0 --hostname web1 --password '' >out
    fccompose freeze -q image.ext4 --free 16M
    boot_uml image.ext4 /sbin/init root 'web1:~# '
    grep -aq 'web1 login: ' boot.log
}

# A tree whose /sbin/openrc does as OpenRC does with runlevels and the service agetty.
openrc_layer() {
    mkdir -p rc/sbin rc/etc/init.d
    cat >rc/sbin/openrc <<'SH'
#!/bin/sh
# Start what is linked into the runlevel, each service by its name.
mount -t proc proc /proc 2>/dev/null
for s in /etc/runlevels/"$1"/*; do
    [ ! -e "$s" ] || { echo "runlevel $1 starts ${s##*/} ($(readlink "$s"))"; RC_SVCNAME=${s##*/} sh "$s" start; }
done
SH
    cat >rc/etc/init.d/agetty <<'SH'
. "/etc/conf.d/$RC_SVCNAME" 2>/dev/null
port=${RC_SVCNAME#*.}
(while :; do setsid /sbin/agetty $agetty_options "$port" linux; sleep 1; done) &
SH
    cat >rc/sbin/agetty <<'SH'
#!/bin/sh
# The part of agetty(8) that is asked for: --autologin USER --noclear PORT TERM.
user=$2 port=$4
exec </dev/$port >/dev/$port 2>&1
echo "agetty on $port for $user"
exec login -f "$user"
SH
    for s in devfs procfs sysfs; do echo ': $1' >rc/etc/init.d/$s; done
    chmod 755 rc/sbin/* rc/etc/init.d/*
}

@test "guest: OpenRC's runlevels start a getty under user-mode Linux" {
    need_alpine
    openrc_layer
    fccompose init -q --owner 0:0 "$ALPINE" dir:rc
    fccompose guest enable --console tty0 --autologin >out
    grep -q '^start agetty.tty0 in runlevel default$' out
    fccompose freeze -q image.ext4 --free 16M
    boot_uml image.ext4 /sbin/init 'echo prompt-$((40+2))' 'prompt-42'
    grep -aq 'runlevel default starts agetty.tty0 (/etc/init.d/agetty.tty0)' boot.log
    grep -aq 'agetty on tty0 for root' boot.log
    grep -aq 'runlevel boot starts devfs (/etc/init.d/devfs)' boot.log
}

# A workspace whose machine runs a shell script as the user "guest": app SCRIPT
app_workspace() {
    alpine_workspace
    fccompose config --entrypoint "[\"/bin/sh\", \"-c\", $(python3 -c 'import json, sys; print(json.dumps(sys.argv[1]))' "$1")]" --cmd '[]' \
        -e 'GREETING=good morning' -w /data/w -u guest --stop-signal SIGUSR1
    fccompose guest enable -q --init oci --hostname app1 "${@:2}" >out
}

@test "guest: the image's program runs on the console and the machine ends with its status" {
    need linux.uml
    app_workspace 'id; pwd; tty; echo "$GREETING $(hostname)"; (sleep 0.1; echo orphan) & mount; : </dev/tty && echo has-tty; sleep 0.5; exit 7'
    fccompose freeze -q image.ext4 --free 16M
    timeout 60 "$ROOT/tools/uml" ubd0=image.ext4 root=/dev/ubda rw mem=128M con=null con0=fd:0,fd:1 </dev/null >boot.log 2>&1
    tr -d '\r' <boot.log >log
    grep -qx 'uid=405(guest) gid=100(users)' log
    grep -qx /data/w log
    grep -qx /dev/tty0 log
    grep -qx 'good morning app1' log
    grep -qx has-tty log
    grep -qx orphan log
    for m in /proc /sys /dev /dev/pts /dev/shm /run /tmp; do grep -q " on $m type " log; done
    [ "$(grep -n 'fccompose-init: exit status 7' log | cut -d: -f1)" -lt "$(grep -n 'System halted' log | cut -d: -f1)" ]
    fsck_clean image.ext4
}

@test "guest: our init as process 1 of a namespace passes the stop signal on and reaps" {
    need_root
    app_workspace 'trap "echo stopped; exit 3" USR1; (sleep 1 &) ; echo ready; while :; do sleep 0.1; done' --console none
    mkdir root
    unshare --mount --propagation private bash -c '
        mount -t tmpfs tmpfs root && fccompose export -q t.tar && tar -C root -xf t.tar
        unshare --pid --uts --ipc --net --fork chroot root /sbin/init </dev/null >console 2>&1 3>&- &
        for i in $(seq 200); do grep -qs ready console && break; sleep 0.05; done
        # Its processes are children of unshare: the first of them is 1 there.
        sleep 1.5
        child=$(cat /proc/$!/task/$!/children)
        for c in $(cat /proc/${child% }/task/${child% }/children); do awk "/^State/ { print \"child\", \$2 }" /proc/$c/status; done >children
        kill -TERM ${child% }
        wait' || true
    grep -qx stopped console
    grep -qx 'fccompose-init: exit status 3' console
    [ "$(cat children)" = 'child S' ]
}

@test "guest: our init says what it cannot run, and kills what does not stop" {
    need_root
    app_workspace true --console none
    fccompose export -q t.tar
    init_says() { # CONFIG-EDIT: a Python expression that changes the configuration c; prints the console
        mkdir -p root
        fccompose cat /etc/fccompose-init.json | python3 -c "import json, sys; c = json.load(sys.stdin); $1; json.dump(c, sys.stdout)" >c.json
        unshare --mount --propagation private bash -c '
            mount -t tmpfs tmpfs root && tar -C root -xf t.tar && cp c.json root/etc/fccompose-init.json
            timeout -s KILL 60 unshare --pid --uts --ipc --net --fork chroot root /sbin/init </dev/null 3>&-' >console 2>&1 || true
        cat console
    }
    init_says 'c["args"] = ["nothing-here"]' | grep -q 'cannot run nothing-here: there is no such file'
    grep -qx 'fccompose-init: exit status 127' console
    init_says 'c["args"] = ["/etc/passwd"]' | grep -q 'cannot run /etc/passwd: permission denied'
    grep -qx 'fccompose-init: exit status 126' console
    init_says 'c["dir"] = "/missing"' | grep -q 'cannot enter /missing'
    init_says 'c["args"] = ["sh", "-c", "kill -9 $$"]' | grep -qx 'fccompose-init: exit status 137'
    # kill 1 asks for the stop; the signal that is sent is ignored.
    init_says 'c["args"] = ["sh", "-c", "trap : USR1; kill 1; while :; do sleep 0.1; done"]; c["uid"] = 0; c["stop_seconds"] = 1' |
        grep -q 'does not stop; killed'
    grep -qx 'fccompose-init: exit status 137' console
    init_says 'c["nonsense"] = 1' | grep -q 'cannot be understood at byte'
}

@test "guest: addresses come from MAC addresses, by our init and by the script" {
    need_root
    need ip
    unshare --net ip link add eth0 type veth peer name eth1 2>/dev/null || skip "the kernel has no veth interfaces"
    app_workspace 'ip -4 -o addr show dev eth0; ip route; ip addr show lo | head -n 1' --console none --net mac
    mkdir root
    local links='ip link add eth0 type veth peer name eth1 && ip link set eth1 up && ip link set eth0 address 06:00:ac:10:00:0a'
    unshare --mount --propagation private bash -c "
        mount -t tmpfs tmpfs root && fccompose export -q t.tar && tar -C root -xf t.tar
        timeout 60 unshare --pid --uts --ipc --net --fork bash -c '$links && exec chroot root /sbin/init' </dev/null 3>&-" >console 2>&1 || true
    grep -q 'inet 172.16.0.10/30' console
    grep -q 'default via 172.16.0.9 dev eth0' console
    grep -q 'LOOPBACK,UP' console
    fccompose reset -q
    fccompose guest enable --init busybox --net mac >out 2>&1
    fccompose cat /usr/sbin/fccompose-net >net
    local sh
    for sh in dash bash; do
        unshare --mount --net bash -c "$links && mount -t sysfs sysfs /sys && $sh net && ip -4 -o addr show dev eth0 && ip route" >console
        grep -q 'inet 172.16.0.10/30' console
        grep -q 'default via 172.16.0.9 dev eth0' console
    done
}

@test "guest: our init takes no configuration that is damaged" {
    app_workspace 'echo "é \" \\ 😀"'
    fccompose cat /sbin/fccompose-init >init
    [ "$(stat -c %s init)" -lt 51200 ]
    chmod 755 init
    fccompose cat /etc/fccompose-init.json >c.json
    ./init --check c.json
    run ./init
    [ "$status" -eq 2 ]
    "$LIB/guest-init-config" "$WORK/init" c.json "${FC_TEST_SEED:-1}" 200
}
