# SPDX-License-Identifier: Apache-2.0
# Verbs for the bats files: load with `load ../lib/common`.
# shellcheck shell=bash

ROOT=$(cd "${BATS_TEST_DIRNAME:?}/../.." && pwd)
B=${B:-build}
case $B in /*) ;; *) B=$ROOT/$B ;; esac
LIB=$ROOT/tests/lib
SHARED=$ROOT/../shared
FIXTURES=$ROOT/build/fixtures
export FCCOMPOSE_CACHE PATH=$B:$PATH LC_ALL=C

# For setup_file, where skip does not work everywhere: can NEED...: whether every NEED holds, setting what they set.
can() {
    local n
    for n in "$@"; do
        # shellcheck disable=SC2317
        (skip() { exit 1; }; $n) >/dev/null 2>&1 || return 1
        $n
    done
}

# Make a place of the test's own and go there; the cache lives in it too.
enter_workdir() {
    WORK=$(mktemp -d "${TMPDIR:-/tmp}/fc-test-XXXXXX")
    chmod 755 "$WORK"
    FCCOMPOSE_CACHE=$WORK/cache
    cd "$WORK" || return 1
}

# Unmount whatever is mounted below it, and remove it. Fails the test when something cannot be unmounted.
leave_workdir() {
    cd / || return 1
    stop_user
    local m
    while m=$(awk -v w="$WORK/" 'index($2, w) == 1 { print $2 }' /proc/self/mounts | tail -n 1) && [ -n "$m" ]; do
        umount -l "$(printf '%b' "$m")" || return 1
    done
    rm -rf "$WORK"
}

need_root() { [ "$(id -u)" -eq 0 ] || skip "needs root"; }
need() { # COMMAND...: skip unless all are installed
    local c
    for c in "$@"; do
        PATH=$PATH:/usr/sbin:/sbin command -v "$c" >/dev/null || skip "$c is not installed"
    done
}
need_fuse() {
    [ -e /dev/fuse ] || skip "no /dev/fuse"
    [ "$(id -u)" -eq 0 ] || [ -w /dev/fuse ] || skip "/dev/fuse is not writable here"
}
need_loop() { losetup -f >/dev/null 2>&1 || skip "no loop devices"; }
need_shared() { [ -e "$SHARED/$1" ] || skip "../shared/$1 is not there"; }

# A Debian minbase tar, made once and kept under build/; sets MINBASE.
need_minbase() {
    MINBASE=$FIXTURES/minbase.tar
    [ ! -s "$MINBASE" ] || return 0
    need_root
    need mmdebstrap
    mkdir -p "$FIXTURES"
    # mmdebstrap hands descriptors to dash, which knows only those below 10: the runner's own are in the way.
    # shellcheck disable=SC2016
    flock -o "$FIXTURES/lock" sh -c '[ -s "$1" ] || { mmdebstrap -q --variant=minbase bookworm "$1.part.tar" && mv "$1.part.tar" "$1"; }' \
        sh "$MINBASE" >"$FIXTURES/mmdebstrap.log" 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- ||
        skip "mmdebstrap failed: $(tail -n 1 "$FIXTURES/mmdebstrap.log")"
}

# The official Alpine root file system; sets ALPINE.
need_alpine() {
    need_shared layers/alpine-minirootfs-3.20.3-x86_64.tar.gz
    ALPINE=$SHARED/layers/alpine-minirootfs-3.20.3-x86_64.tar.gz
}

# An ordinary user with a /dev/fuse that they may open, in a mount namespace of the test's own; then as_user COMMAND...
start_user() {
    need_root
    need setpriv unshare nsenter useradd
    id fctest >/dev/null 2>&1 || useradd --create-home --shell /bin/bash fctest || skip "cannot add the user fctest"
    USER_DEV=$WORK/fuse-node
    [ ! -e /dev/fuse ] || { mknod "$USER_DEV" c 10 229 && chmod 666 "$USER_DEV"; }
    unshare -m --propagation private bash -c "
        [ ! -e /dev/fuse ] || mount --bind '$USER_DEV' /dev/fuse
        : >'$WORK/user-ready'; exec sleep 3600" >/dev/null 2>&1 3>&- &
    USER_HOLDER=$!
    local tick=0
    while [ ! -e "$WORK/user-ready" ]; do
        if [ $((tick++)) -gt 200 ] || ! kill -0 "$USER_HOLDER" 2>/dev/null; then skip "cannot make a mount namespace here"; fi
        sleep 0.05
    done
    # The checkout may be where only its owner can look.
    mkdir -p "$WORK/user" "$WORK/bin"
    cp "$B/fccompose" "$LIB/manifest" "$WORK/bin/"
    chown fctest: "$WORK/user"
}
as_user() { # or, with AS_USER, as that one
    local uid gid
    uid=$(id -u "${AS_USER:-fctest}") gid=$(id -g "${AS_USER:-fctest}")
    nsenter -t "$USER_HOLDER" -m -r -- setpriv --reuid="$uid" --regid="$gid" --init-groups --inh-caps=-all -- \
        env PATH="$WORK/bin:$PATH" HOME="$WORK/user" FCCOMPOSE_CACHE="$WORK/user/cache" XDG_RUNTIME_DIR= bash -c "cd '$WORK/user' && $*"
}
stop_user() {
    [ -n "${USER_HOLDER:-}" ] || return 0
    as_user 'for m in $(awk -v w="$HOME/" "index(\$2, w) == 1 { print \$2 }" /proc/self/mounts); do fusermount3 -uz "$m"; done' || true
    kill "$USER_HOLDER" 2>/dev/null || true
    wait "$USER_HOLDER" 2>/dev/null || true
    USER_HOLDER=
}

# That user has ranges of ids for a user namespace.
need_ranges() {
    need newuidmap newgidmap
    { grep -q '^fctest:' /etc/subuid && grep -q '^fctest:' /etc/subgid; } || skip "the user fctest has no ranges in /etc/subuid"
}
# As start_user, but with another user, who has none.
start_user_without_ranges() {
    start_user
    id fcnorange >/dev/null 2>&1 || useradd --no-create-home -K SUB_UID_COUNT=0 -K SUB_GID_COUNT=0 fcnorange || skip "cannot add the user fcnorange"
    ! grep -q '^fcnorange:' /etc/subuid || skip "the user fcnorange has ranges"
    AS_USER=fcnorange
    chown fcnorange: "$WORK/user"
}

manifest() { "$LIB/manifest" "$@"; }

# e2fsck must find nothing to say.
# shellcheck disable=SC2154
fsck_clean() {
    run e2fsck -fn "$1"
    [ "$status" -eq 0 ] || { echo "$output"; return 1; }
    ! grep -qiE 'fix|clear|wrong|invalid|corrupt|unattached' <<<"$output" || { echo "$output"; return 1; }
}

# Compare two manifests; shows the first differences.
same_manifest() {
    diff -u "$1" "$2" >"$WORK/manifest.diff" || { head -n 40 "$WORK/manifest.diff" | cut -c1-300; return 1; }
}

# Mount an image by the kernel and describe it: image_manifest IMAGE OUT
image_manifest() {
    mkdir -p "$WORK/mnt"
    mount -o loop,ro "$1" "$WORK/mnt" || return 1
    manifest "$WORK/mnt" --skip lost+found >"$2"
    local r=$?
    umount "$WORK/mnt"
    return $r
}

# Boot a copy of IMAGE under user-mode Linux with INIT; given COMMAND it must print WORD: boot_uml IMAGE INIT COMMAND WORD
boot_uml() {
    need linux.uml
    cp --sparse=always "$1" "$WORK/boot.img"
    boot_machine "$3" "$4" 60 "$ROOT/tools/uml" "ubd0=$WORK/boot.img" root=/dev/ubda rw mem=256M con=null con0=fd:0,fd:1 "init=$2"
}

# The same under QEMU with the 6.1 kernel of ../shared.
boot_qemu() {
    need qemu-system-x86_64 xz
    need_shared kernels/vmlinux-6.1-x86_64.xz
    mkdir -p "$FIXTURES"
    [ -s "$FIXTURES/vmlinux" ] || { xz -dc "$SHARED/kernels/vmlinux-6.1-x86_64.xz" >"$FIXTURES/vmlinux.$$" && mv "$FIXTURES/vmlinux.$$" "$FIXTURES/vmlinux"; }
    cp --sparse=always "$1" "$WORK/boot.img"
    boot_machine "$3" "$4" 120 qemu-system-x86_64 -M q35 -cpu max -m 256 -nographic -no-reboot \
        -kernel "$FIXTURES/vmlinux" -append "console=ttyS0 root=/dev/vda rw panic=-1 init=$2" \
        -drive "file=$WORK/boot.img,format=raw,if=virtio"
}

# Kill every process that names FILE in its arguments: a machine has processes that no signal to the first one reaches.
kill_users_of() {
    local p
    for p in /proc/[0-9]*; do
        if tr '\0' ' ' 2>/dev/null <"$p/cmdline" | grep -qF -- "$1"; then kill -KILL "${p##*/}" 2>/dev/null || true; fi
    done
}

# boot_machine COMMAND WORD SECONDS PROGRAM...: type COMMAND every two seconds (a console may lose what comes too early) until
# WORD is seen in what the machine prints, which is in $WORK/boot.log.
boot_machine() {
    local command=$1 word=$2 limit=$3 found=1 tick=0 pid
    shift 3
    rm -f "$WORK/console"
    : >"$WORK/boot.log" # what another machine said counts for nothing
    mkfifo "$WORK/console"
    # Opened for reading too: the machine's console never ends.
    exec 8<>"$WORK/console"
    timeout -s KILL "$limit" "$@" <&8 >"$WORK/boot.log" 2>&1 3>&- 8>&- &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        grep -aq "$word" "$WORK/boot.log" && { found=0; break; }
        [ $((tick++ % 10)) -ne 9 ] || printf '%s\n' "$command" >&8
        sleep 0.2
    done
    exec 8>&-
    kill_users_of "$WORK/boot.img"
    wait "$pid" 2>/dev/null || true
    [ $found -eq 0 ] || tail -n 40 "$WORK/boot.log"
    return $found
}
