#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# run and shell: a command in the live tree, as root, and as an ordinary user with and without ranges of ids.
load ../lib/common
bats_require_minimum_version 1.5.0

setup() {
    need_root
    need_fuse
    unshare -U true 2>/dev/null || skip "no user namespaces here"
    enter_workdir
}
teardown() { [ -z "${WORK:-}" ] || leave_workdir; }

# A tree with busybox's programs.
busybox_tree() { fccompose init -q builtin:busybox 2>/dev/null || skip "no static busybox on this host"; }

@test "a command runs as root of the tree, and its exit status is passed on as container tools do it" {
    busybox_tree
    run -0 fccompose run -- sh -c 'echo "$(id -u) $(pwd) $PATH $HOME $(hostname)"'
    [ "$output" = "0 / /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /root fccompose" ]
    run -7 fccompose run -- sh -c 'exit 7'
    run -137 fccompose run -- sh -c 'kill -9 $$'
    run -127 fccompose run -- no-such-program
    [[ $output == *"no-such-program: no such program in the tree"* ]]
    run -127 fccompose run -- /bin/no-such-program
    run -126 fccompose run -- /etc
    [[ $output == *"/etc: is a directory"* ]]
    printf '#!/usr/bin/perl6\n' | fccompose write -m 755 /bin/script
    run -126 fccompose run -- script
    [[ $output == *"its interpreter /usr/bin/perl6 is not in the tree"* ]]
    run -126 fccompose run -w /nowhere -- true
    run -126 fccompose run -u stranger -- true
    run -125 fccompose run -v /no/such/source:/mnt -- true
    [[ $output == *"cannot bind /no/such/source"* ]]
    run -125 fccompose run --net bridge -- true
    run -125 fccompose run
    # Options behind the command are the command's.
    run -0 fccompose run echo -h -v
    [ "$output" = "-h -v" ]
}

@test "user, directory, variables, binds and network are as asked for; limits and descriptors are not the caller's" {
    busybox_tree
    run -0 fccompose run -u nobody -- id
    [ "$output" = "uid=65534(nobody) gid=65534(nogroup)" ]
    run -0 fccompose run -u 3000:root -- id
    [ "$output" = "uid=3000 gid=0(root)" ]
    FROM_HERE=yes run -0 fccompose run -e A=1 -e A=2 -e FROM_HERE -w /tmp -- sh -c 'echo $A $FROM_HERE $(pwd) $SECRET'
    [ "$output" = "2 yes /tmp" ]
    mkdir data
    echo host >data/file
    run -0 fccompose run -v "data:/deep/er" -v "data/file:/etc/one:ro" -- sh -c 'cat /deep/er/file /etc/one; echo more >/deep/er/made; (echo x >/etc/one) 2>/dev/null || echo refused'
    [ "$output" = $'host\nhost\nrefused' ]
    [ "$(cat data/made)" = more ]
    [ -z "$(fccompose diff)" ]
    run -0 fccompose run --net none -- sh -c 'ls /sys/class/net; ping -c 1 -W 2 127.0.0.1 >/dev/null && echo up'
    [ "$output" = $'lo\nup' ]
    exec 7<"$WORK/data/file"
    run -0 fccompose run -- sh -c 'for f in /proc/self/fd/*; do [ "$f" = /proc/self/fd/3 ] || echo "${f##*/}"; done; ulimit -n; umask'
    exec 7<&-
    [ "$(tr '\n' ' ' <<<"$output")" = "0 1 2 1024 0022 " ]
}

@test "what a run needs is not left in the tree, where a tree has no place for it" {
    need busybox
    file -L "$(command -v busybox)" 2>/dev/null | grep -q 'statically' || skip "no static busybox on this host"
    mkdir -p d/bin d/etc
    cp "$(command -v busybox)" d/bin/busybox
    ln -s ../run/none/resolv.conf d/etc/resolv.conf
    fccompose init -q dir:d
    run -0 fccompose run -- /bin/busybox sh -c 'busybox cat /proc/self/comm; echo x >/dev/null; busybox ls -d /dev/pts /dev/shm /sys/kernel
        busybox readlink /etc/resolv.conf; busybox cat /etc/resolv.conf; echo changed >/etc/resolv.conf; busybox ls /'
    cmp <(printf 'busybox\n/dev/pts\n/dev/shm\n/sys/kernel\n%s\nbin\netc\n' "$(cat /etc/resolv.conf)") <(echo "$output")
    [ -z "$(fccompose diff)" ]
    # While it runs, too: an image of that moment has none of it.
    fccompose run -- /bin/busybox sh -c 'echo >/started; while ! [ -e /stop ]; do busybox sleep 0.1; done' 3>&- &
    local tick=0
    until fccompose ls /started >/dev/null 2>&1; do [ $((tick++)) -lt 200 ]; sleep 0.05; done
    run -0 fccompose ls /
    [ "$(tr '\n' ' ' <<<"$output")" = "bin etc started " ]
    run -1 fccompose mount
    [[ $output == *"in use by fccompose run (process "* ]]
    run -1 fccompose umount
    [[ $output == *"not mounted, but in use by fccompose run"* ]]
    fccompose freeze -q now.ext4
    fsck_clean now.ext4
    fccompose write /stop </dev/null
    wait
    run -0 debugfs -R 'ls -p /' now.ext4
    [ "$(grep -c '/started/' <<<"$output")" -eq 1 ]
    [ "$(grep -cE '/(proc|sys|dev|stop)/' <<<"$output")" -eq 0 ]
}

@test "a mount and a command see each other's changes at once, though both kernels remember what they saw" {
    busybox_tree
    fccompose mount -q
    [ ! -e rootfs/missing ]
    echo before >rootfs/file
    mkfifo in out
    fccompose run -v "$WORK/in:/etc/in" -v "$WORK/out:/etc/out" -- sh -c '
        exec 5</etc/in 6>/etc/out
        [ -e /missing ]; [ -e /gone ]; cat /file >/dev/null; stat -c %a /file >/dev/null; ls /opened 2>/dev/null
        echo ready >&6; read go <&5
        [ -d /missing ] && [ "$(cat /file)" = after ] && [ "$(stat -c %a /file)" = 600 ] && ls / | grep -qx missing && echo saw >&6
        mkdir /gone; echo run >/file; chmod 640 /file; rmdir /missing; mv /file /moved; ln /moved /file
        echo changed >&6; read go <&5' 3>&- &
    exec 5>in 6<out
    read -r -u 6 word && [ "$word" = ready ]
    mkdir rootfs/missing
    echo after >rootfs/file
    chmod 600 rootfs/file
    echo go >&5
    read -r -u 6 word && [ "$word" = saw ]
    read -r -u 6 word && [ "$word" = changed ]
    [ -d rootfs/gone ] && [ ! -e rootfs/missing ] && [ "$(cat rootfs/file)" = run ]
    [ "$(stat -c '%a %h' rootfs/moved)" = "640 2" ]
    run -1 fccompose umount
    [[ $output == *"a command runs in the tree"* ]]
    echo go >&5
    wait
    exec 5>&- 6<&-
    fccompose umount -q
    run ! grep -q . .fccompose/mount.log
}

@test "files that a command had open and unlinked are gone when it has ended" {
    busybox_tree
    fccompose mount -q
    fccompose run -- sh -c 'dd if=/dev/urandom of=/big bs=1M count=8 2>/dev/null; exec 5</big; rm /big; sleep 0'
    local used
    used=$(fccompose status --json | python3 -c 'import json, sys; print(json.load(sys.stdin).get("data_bytes", 0))')
    [ "$used" -lt 1048576 ]
    fccompose umount -q
}

@test "a tree whose /dev, /proc and /etc/hosts are links to the host has nothing made there, and sees nothing of it" {
    need busybox
    file -L "$(command -v busybox)" 2>/dev/null | grep -q 'statically' || skip "no static busybox on this host"
    # A folder that the tree has as well, so that a link leads somewhere in both; /tmp of the host is covered early.
    local host
    host=$(mktemp -d /var/tmp/fc-test-XXXXXX)
    mkdir -p "$host/sys" "$host/fs" d/bin d/etc d/tmp "d$host"
    cp "$(command -v busybox)" d/bin/busybox
    ln -s busybox d/bin/sh
    ln -s "$host" d/dev
    ln -s "$host" d/proc
    ln -s ../../../../../../../../etc/passwd d/etc/hosts
    local before
    before=$(sha256sum /etc/passwd)
    fccompose init -q dir:d
    run -0 fccompose run -- sh -c 'echo evil >/etc/hosts; busybox ls /proc/self/maps 2>/dev/null; echo ran'
    [[ $output == *ran ]]
    [ "$(ls -A "$host")" = $'fs\nsys' ]
    rm -r "$host"
    [ "$(sha256sum /etc/passwd)" = "$before" ]
    # Over the root itself nothing can be mounted.
    run -125 fccompose run -v "$WORK:/" -- true
    [[ $output == *"/: is the root of the tree"* ]]
}

@test "run by root, a command can neither uncover nor change what is the host's, and sees nothing of the first process" {
    busybox_tree
    run -0 env CANARY=of-the-host fccompose run -- sh -c '
        mkdir -p /tmp/p
        umount /proc/sys && echo bad: umounted
        mount -o remount,bind,rw /proc/sys && echo bad: writable
        mount -t proc p /tmp/p && echo bad: another proc
        mount -o remount,bind,rw /sys && echo bad: sys
        umount /dev/null && echo bad: device
        chmod 666 /dev/null && echo bad: mode
        echo x >/dev/null || echo bad: null
        cat /proc/1/environ && echo bad: environ
        readlink /proc/1/exe && echo bad: exe
        mount -t tmpfs t /tmp/p && umount /tmp/p && echo mounts of its own
        hostname other && echo named'
    [[ $output != *bad:* && $output != *of-the-host* ]] || { echo "$output"; false; }
    [[ $output == *"mounts of its own"* ]]
}

@test "signals reach the command, and nothing of it survives the end" {
    busybox_tree
    fccompose run -- sh -c 'trap "echo caught; exit 5" TERM; echo ready; while :; do sleep 0.1; done' >log 2>&1 3>&- &
    local pid=$! tick=0
    until grep -q ready log; do [ $((tick++)) -lt 200 ]; sleep 0.05; done
    kill -TERM "$pid"
    local status=0
    wait "$pid" || status=$?
    [ "$status" -eq 5 ]
    grep -q caught log
    # Killed, or ended with something in the background: all goes.
    fccompose run -- sh -c 'sleep 98765 & echo ready; exec sleep 98765' >log2 2>&1 3>&- &
    pid=$! tick=0
    until grep -q ready log2; do [ $((tick++)) -lt 200 ]; sleep 0.05; done
    kill -KILL "$pid"
    fccompose run -- sh -c 'sleep 98765 &' # waits for the lock of the one before
    tick=0
    while pgrep -f '^sleep 98765' >/dev/null; do [ $((tick++)) -lt 200 ]; sleep 0.05; done
}

@test "on a terminal the command has one of its own, with our size, Ctrl-C and exit status" {
    busybox_tree
    need python3
    run -0 python3 - "$B/fccompose" <<'END'
import fcntl, os, pty, select, struct, sys, termios, time
pid, fd = pty.fork()
if pid == 0:
    os.environ["TERM"] = "vt100"
    os.execv(sys.argv[1], ["fccompose", "shell"])
seen = b""
def until(word):
    global seen
    end = time.time() + 30
    while word not in seen:
        if not select.select([fd], [], [], 1)[0]:
            assert time.time() < end, (word, seen)
            continue
        seen += os.read(fd, 4096)
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 41, 99, 0, 0))
until(b"# ")
os.write(fd, b"echo $TERM $(tty)-; stty size | sed s/^/size-/\n")
until(b"vt100 /dev/pts/0-"); until(b"size-41 99")
os.write(fd, b"echo go-$((1+1)); sleep 1000\n")
until(b"go-2")
time.sleep(0.3)
os.write(fd, b"\x03")
os.write(fd, b"echo status-$?\n")
until(b"status-130")
os.write(fd, b"exit 9\n")
while True:
    try:
        if not os.read(fd, 4096): break
    except OSError:
        break
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 9)
END
}

@test "a command that lets go of its terminal does not keep us busy" {
    busybox_tree
    need python3
    run -0 python3 - "$B/fccompose" <<'END'
import os, pty, resource, sys
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], ["fccompose", "run", "-q", "--", "sh", "-c", "exec <&- >&- 2>&-; sleep 3"])
while True:
    try:
        if not os.read(fd, 4096): break
    except OSError:
        break
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
used = resource.getrusage(resource.RUSAGE_CHILDREN)
assert used.ru_utime + used.ru_stime < 1, used
END
}

@test "an ordinary user with ranges has every owner, set-id programs and capabilities, and they reach the image" {
    start_user
    need_ranges
    as_user 'fccompose init -q builtin:busybox' || skip "no static busybox on this host"
    as_user 'fccompose -v run -- sh -c "
        echo data >/f; chown 33:34 /f; cp /bin/busybox /bin/setid; chown 5:6 /bin/setid; chmod 6755 /bin/setid
        mknod /dev-loop7 b 7 7; echo >/tmp/mine"
        fccompose run -u 33:34 -- sh -c "echo more >>/f; ! echo x >/etc/group"
        fccompose freeze -q image.ext4' >log 2>&1
    grep -q 'users and groups: 0-[0-9]*, by newuidmap' log
    fsck_clean user/image.ext4
    debugfs -R 'stat /f' user/image.ext4 2>/dev/null | grep -qE 'User: +33 +Group: +34 .*Size: 10'
    debugfs -R 'stat /bin/setid' user/image.ext4 2>/dev/null >stat.txt
    grep -qE 'Mode: +06755' stat.txt && grep -qE 'User: +5 +Group: +6' stat.txt
    debugfs -R 'stat /tmp/mine' user/image.ext4 2>/dev/null | grep -qE 'User: +0 +Group: +0'
    debugfs -R 'stat /dev-loop7' user/image.ext4 2>/dev/null | grep -q 'block special'
}

@test "an ordinary user without ranges has one id, is told so, and owners are recorded in the tree" {
    start_user_without_ranges
    as_user 'fccompose init -q builtin:busybox' || skip "no static busybox on this host"
    as_user 'fccompose run -- sh -c "echo data >/f; chown 33:34 /f; id -u; chmod 640 /f; stat -c %u /f"; fccompose freeze -q image.ext4' >log 2>&1
    grep -q 'users and groups: only 0: this user has no range in /etc/subuid (root can give one' log
    fsck_clean user/image.ext4
    debugfs -R 'stat /f' user/image.ext4 2>/dev/null | grep -qE 'User: +33 +Group: +34'
    debugfs -R 'stat /f' user/image.ext4 2>/dev/null | grep -qE 'Mode: +0640'
    run -126 as_user 'fccompose run -q -u 33 -- true'
    [[ $output == *"user 33"* ]]
}

@test "root of a user namespace that has one id runs a command with that id" {
    busybox_tree
    run -0 unshare -U -r "$B/fccompose" run -- sh -c 'id -u; chown 5:6 /etc && stat -c %u:%g /etc'
    [[ $output == *"only 0"* && $output == *$'\n0\n'* ]] || { echo "$output"; false; }
}

@test "two commands that start at once share the tree" {
    busybox_tree
    for round in 1 2 3 4; do
        fccompose run -- sh -c 'sleep 1; echo a >>/first' 3>&- &
        run -0 fccompose run -- sh -c 'echo b >/second'
        wait $!
    done
    [ "$(fccompose cat /first)" = $'a\na\na\na' ] || { echo "$round"; false; }
}

@test "what keeps a command from running is named, with what to do about it" {
    busybox_tree
    # No user namespaces.
    run -125 unshare -U -r sh -c 'echo 0 >/proc/sys/user/max_user_namespaces && exec fccompose run -- true'
    [[ $output == *"user.max_user_namespaces is 0"*"sysctl user.max_user_namespaces="* ]]
    # No device, or one that may not be opened.
    run -125 unshare -m sh -c 'mount -t tmpfs none /dev && mknod /dev/null c 1 3 && exec fccompose run -- true'
    [[ $output == *"there is no /dev/fuse"*"modprobe fuse"* ]]
    start_user
    as_user 'fccompose init -q'
    mknod -m 600 closed c 10 229
    nsenter -t "$USER_HOLDER" -m -- mount --bind "$WORK/closed" /dev/fuse
    run -125 as_user 'fccompose run -q -- true'
    [[ $output == *"/dev/fuse"*"chmod 666 /dev/fuse"* ]]
}

@test "no service starts in a Debian tree, and who forbade it is not left there" {
    need_minbase
    fccompose init -q "$MINBASE"
    run -0 fccompose run -- sh -c '/usr/sbin/policy-rc.d x start; echo $?; ls /usr/sbin/policy-rc.d'
    [ "$output" = $'101\n/usr/sbin/policy-rc.d' ]
    ! fccompose diff | grep -q policy
    # The kernel of the run honours set-id bits and capabilities of the tree.
    fccompose run -- sh -c 'install -o 5 -g 6 -m 6755 /usr/bin/id /usr/bin/who-am-i'
    run -0 fccompose run -u 33:34 -- who-am-i
    [ "$output" = "uid=33(www-data) gid=34(backup) euid=5(games) egid=6(disk) groups=6(disk)" ] || { echo "$output"; false; }
    run -1 fccompose cat /usr/sbin/policy-rc.d
}
