# SPDX-License-Identifier: Apache-2.0
"""The file systems that cache and images lie on: the work folder's own, or a fresh one in a file, loop-mounted."""
import os
import shutil
import subprocess

from bench.inputs import Skip

HOSTS = ["here", "ext4", "xfs", "btrfs"]
MAKERS = {"ext4": ["mkfs.ext4", "-q", "-F", "-m", "0"], "xfs": ["mkfs.xfs", "-q", "-m", "reflink=1"], "btrfs": ["mkfs.btrfs", "-q"]}
REFLINK = {"xfs", "btrfs"}


def kind_of(path):
    """The type of the file system that holds @path."""
    return subprocess.run(["findmnt", "-n", "-o", "FSTYPE", "-T", path], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def free_bytes(path):
    s = os.statvfs(path)
    return s.f_bavail * s.f_frsize


class Host:
    """A folder to measure in; as a context: mounted on entry, unmounted and removed on any exit."""

    def __init__(self, name, run_folder, size):
        self.name, self.size = name, size
        self.dir = os.path.join(run_folder, "host-" + name)
        self.file = self.dir + ".img"
        self.device = None

    def __enter__(self):
        os.makedirs(self.dir)
        try:
            if self.name != "here":
                self.mount()
        except BaseException:
            self.__exit__()
            raise
        self.kind = self.name if self.name != "here" else kind_of(self.dir)
        return self

    def mount(self):
        maker = MAKERS[self.name][0]
        if os.geteuid() != 0:
            raise Skip("mounting needs root")
        if not shutil.which(maker, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            raise Skip(f"{maker} is not installed")
        with open(self.file, "wb") as f:
            f.truncate(self.size)
        self.step(MAKERS[self.name] + [self.file])
        # Direct: else every page would be in the memory twice.
        r = self.step(["losetup", "--direct-io=on", "--show", "-f", self.file])
        self.device = r.stdout.strip()
        self.step(["mount", "-o", "noatime", self.device, self.dir])

    def step(self, argv):
        env = dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin")
        r = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
        if r.returncode != 0:
            raise Skip(f"{argv[0]}: {(r.stderr.strip() or 'failed').splitlines()[-1]}")
        return r

    def __exit__(self, *_):
        unmount_below(self.dir)
        if self.device:
            subprocess.run(["losetup", "-d", self.device], stderr=subprocess.DEVNULL)
        shutil.rmtree(self.dir, ignore_errors=True)
        if os.path.exists(self.file):
            os.unlink(self.file)


def unmount_below(folder):
    """Whatever is mounted at or below @folder, innermost first."""
    with open("/proc/self/mounts", "rb") as f:
        points = [line.split()[1].decode("unicode_escape") for line in f]
    for point in reversed(points):
        if point == folder or point.startswith(folder + "/"):
            how = ["umount", "-l"] if os.geteuid() == 0 else ["fusermount3", "-uz"]
            subprocess.run(how + [point], stderr=subprocess.DEVNULL)
