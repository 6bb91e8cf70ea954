# SPDX-License-Identifier: Apache-2.0
"""The unions that are measured side by side, each over the same tree: how to mount, unmount and start anew."""
import json
import os
import resource
import shutil
import signal
import subprocess
import time

from bench.inputs import Skip
from bench.measure import Failed, last_line

EXAMPLE = "/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c"


def step(argv, **more):
    r = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    if r.returncode != 0:
        raise Failed(f"{argv[0]}: {last_line(r.stdout)}")
    return r.stdout


def more_descriptors():
    """The pass-through holds a descriptor for each inode that it has seen: all that may be had here."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Peer:
    """@mnt: the tree as seen through it. @pid: the process behind it, if there is one. @changed: it is not as the tree is."""

    name = ""

    def __init__(self, place):
        self.place, self.dir = place, os.path.join(place.dir, self.name)
        self.mnt, self.pid, self.changed = os.path.join(self.dir, "mnt"), None, True
        os.makedirs(self.mnt)

    def fresh(self):
        """Forget what was changed; not mounted."""
        if self.changed:
            self.renew()
        self.changed = False

    def renew(self):
        for name in ("upper", "work"):
            shutil.rmtree(os.path.join(self.dir, name), ignore_errors=True)
            os.makedirs(os.path.join(self.dir, name))

    def layers(self):
        return f"lowerdir={self.place.extracted()},upperdir={self.dir}/upper,workdir={self.dir}/work"

    def mount(self):
        """Sets @pid. Returns how many seconds it took."""
        raise NotImplementedError

    def unmount(self):
        if not os.path.ismount(self.mnt):
            return
        argv = ["umount", self.mnt] if os.geteuid() == 0 else ["fusermount3", "-u", self.mnt]
        for _ in range(100):  # a server that still lets go of what was removed is busy with its own mount
            if subprocess.run(argv, stderr=subprocess.DEVNULL).returncode == 0:
                break
            time.sleep(0.02)
        else:
            step(argv)
        self.wait_for_end()

    def wait_for_end(self):
        """Some servers hang now and then when they are to end."""
        late = time.monotonic() + 10
        while self.pid and os.path.exists(f"/proc/{self.pid}/exe") and not self.is_zombie():
            if time.monotonic() > late:
                self.hung()
            time.sleep(0.002)
        self.pid = None

    def hung(self):
        os.kill(self.pid, signal.SIGKILL)

    def is_zombie(self):
        try:
            with open(f"/proc/{self.pid}/stat") as f:
                return f.read().rsplit(")", 1)[1].split()[0] == "Z"
        except OSError:
            return True

    def serve(self, argv):
        """Start a server that stays in the foreground; return when its mount is there, with the seconds that it took."""
        start = time.monotonic()
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                 preexec_fn=more_descriptors)
        while not os.path.ismount(self.mnt):
            if child.poll() is not None:
                raise Failed(f"{argv[0]}: {last_line(child.stderr.read())}")
            time.sleep(0.0005)
        self.pid = child.pid
        return time.monotonic() - start


class Overlayfs(Peer):
    name = "overlayfs"

    def mount(self):
        if os.geteuid() != 0:
            raise Skip("mounting needs root")
        start = time.monotonic()
        try:
            step(["mount", "-t", "overlay", "overlay", "-o", self.layers(), self.mnt])
        except Failed as e:
            raise Skip(str(e)) from None
        return time.monotonic() - start


class FuseOverlayfs(Peer):
    name = "fuse-overlayfs"

    def mount(self):
        if not shutil.which("fuse-overlayfs"):
            raise Skip("fuse-overlayfs is not installed")
        return self.serve(["fuse-overlayfs", "-f", "-o", self.layers(), self.mnt])


class PassThrough(Peer):
    """The floor, and no union: libfuse's own example over a copy of the tree, compiled now from the distribution's package."""

    name = "pass-through"

    def __init__(self, place):
        super().__init__(place)
        self.copy = os.path.join(self.dir, "copy")

    def renew(self):
        shutil.rmtree(self.copy, ignore_errors=True)
        step(["cp", "-a", self.place.extracted(), self.copy])

    def mount(self):
        if self.place.n_entries > 50000:
            raise Skip("it searches a list of all inodes that it has seen")
        program = self.place.built("passthrough_ll", [EXAMPLE], ["fuse3"])
        return self.serve([program, "-f", "-o", f"source={self.copy},cache=always,timeout=86400", self.mnt])


class Fccompose(Peer):
    name = "fccompose"

    def __init__(self, place):
        super().__init__(place)
        self.run = [place.fccompose, "-C", self.dir]

    def renew(self):
        shutil.rmtree(os.path.join(self.dir, ".fccompose"), ignore_errors=True)
        step(self.run + ["init", "-q", self.place.tar])

    def mount(self):
        if not os.path.exists("/dev/fuse"):
            raise Skip("no /dev/fuse")
        start = time.monotonic()
        step(self.run + ["mount", "-q", self.mnt])
        seconds = time.monotonic() - start
        self.pid = json.loads(step(self.run + ["status", "--json"]))["pid"]
        return seconds

    def unmount(self):
        if os.path.ismount(self.mnt):
            step(self.run + ["umount", "-q"])
            self.wait_for_end()

    def hung(self):
        raise Failed("its process did not end")


PEERS = [Overlayfs, FuseOverlayfs, PassThrough, Fccompose]


class Place:
    """One tree in one folder, with what its peers share."""

    def __init__(self, case, folder, tar, options):
        self.case, self.dir, self.tar, self.fccompose = case, folder, tar, options.fccompose
        self.tree, self.tools = os.path.join(folder, "tree"), os.path.join(options.work, "tools")
        tiny = case.name == "tiny"
        self.subtree = "t00" if tiny or case.name == "small" else "usr/share"
        self.n_new, self.n_wide = (200, 50) if tiny else (20000, 10000)
        self.n_entries = int(step(["sh", "-c", f'tar -tf "{tar}" | wc -l']))

    def extracted(self):
        if not os.path.exists(self.tree):
            os.makedirs(self.tree)
            owner = ["--numeric-owner", "--xattrs", "--xattrs-include=*"] if os.geteuid() == 0 else ["--exclude=./dev/*"]
            step(["tar", "-C", self.tree, *owner, "-xpf", self.tar])
            step(["sync", "-f", self.tree])
        return self.tree

    def built(self, name, sources, packages):
        """A program compiled now, into the work folder."""
        out = os.path.join(self.tools, name)
        if os.path.exists(out) and all(os.path.getmtime(out) > os.path.getmtime(s) for s in sources if os.path.exists(s)):
            return out
        if not all(map(os.path.exists, sources)):
            raise Skip(f"{sources[0]} is not there")
        os.makedirs(self.tools, exist_ok=True)
        flags = step(["pkg-config", "--cflags", "--libs", *packages]).split() if packages else []
        step(["gcc", "-O2", "-o", out, *sources, *flags])
        return out
