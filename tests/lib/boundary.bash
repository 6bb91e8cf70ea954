# SPDX-License-Identifier: Apache-2.0
# One seed of tests/lib/boundary-tree, start to end: shared by tests/cases/random.bats and tests/full/soak.bats. After random.bash.
# shellcheck shell=bash

# Freeze it with the options that the seed draws; e2fsck, debugfs, dumpe2fs and the kernel's mount judge. Leaves its folder
# $WORK/boundary-SEED behind on failure only. check_boundary SEED [--heavy]
check_boundary() {
    local seed=$1 dir=$WORK/boundary-$1 options
    mkdir -p "$dir"
    cd "$dir" || return 1
    "$LIB/boundary-tree" "$seed" . "${@:2}" || return 1
    mapfile -d '' options <options
    echo "boundary $seed ${*:2}: freeze ${options[*]@Q}"
    fccompose freeze -q --no-sync --json "${options[@]}" -l layer.tar one.ext4 >summary.json || return 1
    boundary_equals one.ext4 && boundary_numbers one.ext4 && boundary_again && boundary_resized "$seed" || return 1
    cd "$WORK" || return 1
    rm -rf "$dir"
}

# What is mounted is what was expected. Where an inode would have more than 65,000 names ext4 has several, which share no group.
boundary_equals() {
    fsck_clean "$1" || say "e2fsck: $1" || return 1
    mkdir -p mnt
    mount -o loop,ro "$1" mnt || return 1
    local r=0
    manifest mnt --skip lost+found >found.txt && "$LIB/debugfs-agrees" "$1" mnt || r=1
    heavy_links mnt/heavy_links || r=1
    umount mnt
    [ $r -eq 0 ] || return 1
    sed '/^heavy_links\//s/ nlink=.*//' expected.txt >expected.cut
    sed '/^heavy_links\//s/ nlink=.*//' found.txt >found.cut
    same_manifest expected.cut found.cut || say "the image $1 is not what the seed made"
}

heavy_links() {
    [ -d "$1" ] || return 0
    find "$1" -mindepth 1 -printf '%i %n\n' | awk '
        { names[$1]++; said[$1] = $2; n++ }
        END {
            for (i in names) { inodes++; if (names[i] != said[i] || said[i] > 65000) bad = 1 }
            if (bad || inodes != int((n + 64999) / 65000)) { print n " names, " inodes " inodes"; exit 1 }
        }'
}

# The superblock says what the options asked for.
boundary_numbers() {
    dumpe2fs -h "$1" >super.txt 2>/dev/null || return 1
    python3 -c '
import re, sys
options = open("options").read().split("\0")[:-1]
said = dict(re.findall(r"^([^:\n]+):\s*(.*?)$", open("super.txt").read(), re.M))
asked = {o: v for o, v in zip(options, options[1:] + [""]) if o.startswith("--")}
size = lambda t: int(t[:-1]) << {"K": 10, "M": 20, "G": 30}[t[-1]] if t[-1] in "KMG" else int(t)
blocks = int(said["Block count"])
wrong = []
def must(what, holds):
    if not holds: wrong.append(what)
must("inode size", said["Inode size"] == asked["--inode-size"])
must("inodes", int(said["Inode count"]) >= int(asked.get("--inodes", 0)))
must("read-only", "--read-only" not in asked or "--align" in asked or int(said["Free blocks"]) == 0)
must("free", int(said["Free blocks"]) * 4096 >= size(asked.get("--free", "0")))
must("label", said["Filesystem volume name"] == (asked.get("--label", "rootfs") or "<none>"))
must("reserved", abs(int(said["Reserved block count"]) - blocks * float(asked.get("--reserved", 0)) / 100) <= 1)
must("journal", ("has_journal" in said["Filesystem features"]) == (asked.get("--journal") != "none" and "--read-only" not in asked and "Journal inode" in said))
if asked.get("--journal", "none") != "none":
    must("journal size", size(said["Total journal size"].upper().rstrip("B")) == size(asked["--journal"]))
if "--uuid" in asked:
    must("uuid", said["Filesystem UUID"] == asked["--uuid"])
sys.exit(f"not as asked: {wrong}: {options}" if wrong else 0)'
}

# The same bytes when frozen again, through a pipe, by a cache of its own.
boundary_again() {
    local options
    mapfile -d '' options <options
    FCCOMPOSE_CACHE=$PWD/cache fccompose freeze -q "${options[@]}" -l layer.tar - | cmp - one.ext4 || say "the second freeze differs"
}

# Edits in a mount of a workspace of it: the image is what the mount shows, mounted or not, fresh or over an image of the
# unedited tree. check_edits SEED
check_edits() {
    local seed=$1 dir=$WORK/edits-$1 options
    mkdir -p "$dir"
    cd "$dir" || return 1
    "$LIB/boundary-tree" "$seed" . --edits || return 1
    mapfile -d '' options <options
    echo "edits $seed: freeze ${options[*]@Q}"
    fccompose init -q layer.tar || return 1
    fccompose freeze -q --no-sync "${options[@]}" old.ext4 || return 1
    boundary_equals old.ext4 || return 1
    cp --sparse=always old.ext4 over.ext4
    cp --sparse=always old.ext4 unedited.ext4
    fccompose mount -q || return 1
    "$LIB/random-edits" mount "$seed" rootfs && manifest rootfs --skip lost+found >expected.txt &&
        fccompose freeze -q --no-sync "${options[@]}" new.ext4
    local r=$?
    fccompose umount -q && [ $r -eq 0 ] || return 1
    boundary_equals new.ext4 || return 1
    echo "edits $seed: $("$LIB/shared-blocks" old.ext4 new.ext4)"
    fccompose freeze -q --no-sync "${options[@]}" old.ext4 || return 1
    cmp old.ext4 new.ext4 || say "a freeze over the old image differs from a fresh one" || return 1
    fccompose freeze -q --no-sync "${options[@]}" over.ext4 || return 1
    cmp over.ext4 new.ext4 || say "a freeze over a copy of the old image differs from a fresh one" || return 1
    fccompose reset -q && fccompose freeze -q --no-sync "${options[@]}" over.ext4 || return 1
    cmp over.ext4 unedited.ext4 || say "what was reset freezes otherwise than before the edits" || return 1
    cd "$WORK" || return 1
    rm -rf "$dir"
}

# Now and then the guest's tools change its size.
boundary_resized() {
    ! tr '\0' '\n' <options | grep -qx -e --read-only || return 0
    case $(($1 % 4)) in
    0)
        cp --sparse=always one.ext4 resized.ext4
        truncate -s +200M resized.ext4
        ;;
    1) cp --sparse=always one.ext4 resized.ext4 ;;
    *) return 0 ;;
    esac
    local how=()
    [ $(($1 % 4)) -eq 0 ] || how=(-M)
    e2fsck -fp resized.ext4 >resize.log 2>&1 || { cat resize.log; return 1; }
    resize2fs "${how[@]}" resized.ext4 >resize.log 2>&1 || { cat resize.log; return 1; }
    boundary_equals resized.ext4
}

# The same for callers that want one line.
try_boundary() {
    check_boundary "$@" && return 0
    echo "seed $* failed in $PWD; repeat it with: FC_LIMITS=$1${2:+ FC_HEAVY=$2} B=$B bats -f limits tests/cases/random.bats"
    return 1
}
