# SPDX-License-Identifier: Apache-2.0
"""What is measured: fccompose in its ways, the other writers, and cp of the finished image as the floor."""
import os
import shutil
import subprocess
from shlex import quote as q

from bench.inputs import Skip, compressed

SYSTEM_PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"


class Place:
    """One case on one host. @tree: the extracted tar; @image: a finished image; @out: what is written, removed before each run."""

    def __init__(self, case, host, tar, fccompose, inputs):
        self.case, self.host, self.tar, self.fccompose, self.inputs = case, host, tar, fccompose, inputs
        self.workspace, self.tree = os.path.join(host.dir, "workspace"), os.path.join(host.dir, "tree")
        self.image, self.out = os.path.join(host.dir, "image.ext4"), os.path.join(host.dir, "out")
        self.mount, self.cold_cache = os.path.join(host.dir, "mnt"), os.path.join(host.dir, "cold")
        self.n_entries = 0

    def freeze(self, *args):
        return " ".join([q(self.fccompose), "-C", q(self.workspace), "freeze -q --no-sync", *map(q, args)])

    def room(self):
        """Bytes of an image that other writers need: their inode tables, journals and bitmaps are larger."""
        return os.path.getsize(self.image) * 11 // 10 + self.n_entries * 512 + (96 << 20)


def needs(*commands):
    missing = [c for c in commands if not shutil.which(c, path=SYSTEM_PATH)]
    if missing:
        raise Skip(f"{', '.join(missing)} is not installed")


def fccompose(p):
    return p.freeze(p.out)


def fccompose_copying(p):
    if not p.host.reflink:
        raise Skip("this host shares no blocks")
    return p.freeze("--no-clone", p.out)


def cp(p):
    how = "--sparse=auto" if p.case.name == "big" else "--reflink=never" if p.host.reflink else ""
    return f"cp {how} {q(p.image)} {q(p.out)}"


def cp_reflink(p):
    if not p.host.reflink:
        raise Skip("this host shares no blocks")
    return f"cp --reflink=always {q(p.image)} {q(p.out)}"


def mke2fs(p):
    needs("mke2fs")
    return f"mke2fs -q -F -t ext4 -N {p.n_entries + 100} -d {q(p.tree)} {q(p.out)} {p.room() // 1024}k"


def loop_mount(p):
    needs("mkfs.ext4", "losetup")
    if os.geteuid() != 0:
        raise Skip("mounting needs root")
    os.makedirs(p.mount, exist_ok=True)
    # barrier=0: else umount would wait for the disk, and the others do not.
    return (f"truncate -s {p.room() // 1024}K {q(p.out)} && mkfs.ext4 -q -F -N {p.n_entries + 100} {q(p.out)} && "
            f"mount -o loop,barrier=0 {q(p.out)} {q(p.mount)} && "
            f"{{ tar -C {q(p.mount)} --numeric-owner --xattrs --xattrs-include='*' -xpf {q(p.tar)}; r=$?; umount {q(p.mount)} && exit $r; }}")


def genext2fs(p):
    needs("genext2fs")
    return f"genext2fs -B 4096 -b {p.room() // 4096} -N {p.n_entries + 100} -d {q(p.tree)} {q(p.out)}"


def mksquashfs(p):
    needs("mksquashfs")
    return f"mksquashfs {q(p.tree)} {q(p.out)} -noappend -no-progress -quiet -noI -noD -noF -noX"


def mksquashfs_lz4(p):
    needs("mksquashfs")
    return f"mksquashfs {q(p.tree)} {q(p.out)} -noappend -no-progress -quiet -comp lz4"


def erofs(p):
    needs("mkfs.erofs")
    return f"mkfs.erofs --quiet {q(p.out)} {q(p.tree)}"


def edited(p):
    """The state before the incremental case: an image of the unedited stack is there, then one file changes."""
    run = f"{q(p.fccompose)} -C {q(p.workspace)}"
    return f"{run} reset -q && {p.freeze(p.out)} && {run} write -q {q(p.case.edit)} changed"


def after_edit(p):
    return p.freeze(p.out)


def cold(p):
    """Nothing in the cache: import and freeze."""
    return (f"FCCOMPOSE_CACHE={q(p.cold_cache)} {q(p.fccompose)} freeze -q --no-sync -l {q(compressed(p.tar, p.inputs))} {q(p.out)}")


def disk_of(p):
    return q(os.path.join(p.workspace, ".fccompose/disk/disk.ext4"))


def virtual(p):
    """From the command to the first byte of the image that is not written."""
    r = subprocess.run([p.fccompose, "help", "freeze"], stdout=subprocess.PIPE, text=True)
    if "--virtual" not in r.stdout:
        raise Skip("this fccompose has no freeze --virtual")
    if not os.path.exists("/dev/fuse"):
        raise Skip("no /dev/fuse")
    return f"{q(p.fccompose)} -C {q(p.workspace)} freeze -q --virtual && head -c 1 {disk_of(p)}"


def gzip(p):
    return f"gzip -dc {q(compressed(p.tar, p.inputs))}"


def igzip(p):
    needs("igzip")
    return f"igzip -dc {q(compressed(p.tar, p.inputs))}"


# Name, what makes the command, whether it needs the extracted tree.
PEERS = [("fccompose", fccompose, False), ("fccompose --no-clone", fccompose_copying, False), ("cp", cp, False),
         ("cp --reflink", cp_reflink, False), ("mke2fs -d", mke2fs, True), ("mkfs+mount+tar", loop_mount, False),
         ("genext2fs", genext2fs, True), ("mksquashfs", mksquashfs, True), ("mksquashfs lz4", mksquashfs_lz4, True),
         ("mkfs.erofs", erofs, True), ("fccompose, one file changed", after_edit, False), ("fccompose, cold .tar.gz", cold, False),
         ("first byte of the virtual disk", virtual, False),
         ("gzip -dc", gzip, False), ("igzip -dc", igzip, False)]


EDITING = {"fccompose, one file changed"}  # these leave edits in the workspace


def prepare_of(name, p):
    """The command before each run: what the last run left is gone, and nothing waits to be written to the disk."""
    settle = f"sync -f {q(p.host.dir)}"
    if name == "fccompose, one file changed":
        return f"{edited(p)} && {settle}"
    if name == "fccompose, cold .tar.gz":
        return f"rm -rf {q(p.out)} {q(p.cold_cache)} && {settle}"
    if name == "first byte of the virtual disk":
        return f"{q(p.fccompose)} -C {q(p.workspace)} umount -q 2>/dev/null; {settle}"
    return f"rm -f {q(p.out)} && {settle}"


def check_of(name, p):
    """A command that fails if what was written is wrong, or None: what is fast must be the same image too."""
    if name == "fccompose, one file changed":
        return f"cp {q(p.out)} {q(p.out)}.old && rm {q(p.out)} && {p.freeze(p.out)} && cmp {q(p.out)} {q(p.out)}.old; r=$?; rm {q(p.out)}.old; exit $r"
    if name in ("fccompose, cold .tar.gz", "fccompose", "fccompose --no-clone"):
        return f"cmp {q(p.out)} {q(p.image)}"
    if name == "first byte of the virtual disk":
        return f"cmp {disk_of(p)} {q(p.image)}"
    return None
