# SPDX-License-Identifier: Apache-2.0
"""The trees that are measured: where their tars come from, and which file of each is edited."""
import os
import shutil
import subprocess

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ALPINE = os.path.join(HERE, "../../../shared/layers/alpine-minirootfs-3.20.3-x86_64.tar.gz")


class Skip(Exception):
    """What is missing here, in words."""


class Case:
    """@edit: a file that the incremental case changes; @make: the kind that make-input knows; @needs: commands."""

    def __init__(self, name, title, edit, make=None, needs=()):
        self.name, self.title, self.edit, self.make, self.needs = name, title, edit, make, needs


CASES = [
    Case("alpine", "Alpine", "/etc/issue"),
    Case("minbase", "Debian minbase", "/etc/debian_version", "minbase", ("mmdebstrap",)),
    Case("developer", "developer tree", "/etc/debian_version", "developer", ("mmdebstrap",)),
    Case("small", "300,000 small files", "/t00/s00/file-000.c", "small"),
    Case("big", "2 GiB of big files, one sparse", "/notes", "big"),
    Case("million", "a million entries", "/t00/s00/f000", "million"),
]


def alpine(folder, fccompose):
    """The official root file system, unpacked; without it the built-in busybox system, exported."""
    out = os.path.join(folder, "alpine.tar")
    if not os.path.exists(out):
        part = out + ".part"
        with open(part, "wb") as f:
            if os.path.exists(ALPINE):
                subprocess.run(["gzip", "-dc", ALPINE], stdout=f, check=True)
            else:
                subprocess.run([fccompose, "export", "-q", "-l", "builtin:busybox", "-"], stdout=f, check=True)
        os.rename(part, out)
    return out


def tar_of(case, folder, given, fccompose):
    """The path of the case's tar: one that was @given, one that is in @folder, or one made there now."""
    if case.name in given:
        return given[case.name]
    if case.make is None:
        return alpine(folder, fccompose)
    out = os.path.join(folder, case.name + ".tar")
    if not os.path.exists(out):
        missing = [c for c in case.needs if not shutil.which(c)]
        if missing:
            raise Skip(f"{', '.join(missing)} is not installed")
        if case.needs and os.geteuid() != 0:
            raise Skip("making this tree needs root; pass a tar of it")
        # mmdebstrap hands descriptors to dash, which knows only those below 10.
        r = subprocess.run([os.path.join(HERE, "make-input"), case.make, out], stdin=subprocess.DEVNULL)
        if r.returncode != 0:
            raise Skip("the tree could not be made")
    return out


def compressed(tar, folder):
    """TAR.gz, made once by gzip itself."""
    out = os.path.join(folder, os.path.basename(tar) + ".gz")
    if not os.path.exists(out) or os.path.getmtime(out) < os.path.getmtime(tar):
        with open(out + ".part", "wb") as f:
            subprocess.run(["gzip", "-nc", tar], stdout=f, check=True)
        os.rename(out + ".part", out)
    return out
