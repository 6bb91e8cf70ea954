# SPDX-License-Identifier: Apache-2.0
"""The workloads of tests/bench/live: for each what is done before, what is timed, and how to see that it was done."""
import os
import random
import stat
from shlex import quote as q

from bench import inputs
from bench.inputs import Skip

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # tests/bench
ROOT = os.path.dirname(os.path.dirname(HERE))
N_FILES = 20000


class Row:
    """
    @before, @command and @check get the place and the peer and return a shell command (or None); only @command is timed.
    @cold: the caches are dropped before it; @warm: it is done twice before. @changes: it starts from the unchanged tree, and
    with nothing that waits to be written to the disk.
    @says: its output must be the same with all peers.
    """

    def __init__(self, name, title, command, before=None, check=None, cold=False, warm=False, changes=False, says=False, cases=None):
        self.name, self.title, self.command, self.before, self.check = name, title, command, before, check
        self.cold, self.warm, self.changes, self.says, self.cases = cold, warm, changes, says, cases


def work(place, *words):
    return " ".join([q(place.built("live-work", [os.path.join(HERE, "live-work.c")], [])), *map(q, words)])


def walk(place, peer):
    return work(place, "walk", peer.mnt)


def small_files(place):
    """A list of up to 20,000 regular files of at most 16 KiB, shuffled, always in the same order."""
    out = os.path.join(place.dir, "small-files")
    if not os.path.exists(out):
        found = []
        for folder, _, names in os.walk(os.fsencode(place.extracted())):
            for name in names:
                path = os.path.join(folder, name)
                st = os.lstat(path)
                if stat.S_ISREG(st.st_mode) and st.st_size <= 16384:
                    found.append(os.path.relpath(path, os.fsencode(place.tree)))
        random.Random(1).shuffle(found)
        with open(out, "wb") as f:
            f.write(b"".join(p + b"\0" for p in found[:N_FILES]))
    return out


def read_small(place, peer):
    return f"{work(place, 'read', peer.mnt)} < {q(small_files(place))}"


def tar(_, peer):
    return f"tar -C {q(peer.mnt)} -cf - . | cat > /dev/null"


def new_folder(_, peer):
    return f"mkdir {q(peer.mnt)}/new"


def create(place, peer):
    return work(place, "create", peer.mnt + "/new", str(place.n_new))


def created(place, peer):
    return f'test "$(find {q(peer.mnt)}/new -type f -size 1 | wc -l)" = {place.n_new}'


def make_new(place, peer):
    return f"{new_folder(place, peer)} && {create(place, peer)}"


def unlink(place, peer):
    return work(place, "unlink", peer.mnt + "/new", str(place.n_new))


def unlinked(_, peer):
    return f'test -z "$(find {q(peer.mnt)}/new -type f)"'


def untar(place, peer):
    owner = "--numeric-owner" if os.geteuid() == 0 else "--exclude=./dev/*"
    return f"tar -C {q(peer.mnt)}/new {owner} -xpf {q(place.tar)}"


def untarred(place, peer):
    return f"tar -C {q(peer.mnt)}/new -df {q(place.tar)} --exclude=./dev"


def subtree(place, peer):
    return q(os.path.join(peer.mnt, place.subtree))


def chmod(place, peer):
    return f"chmod -R o+w,g-w {subtree(place, peer)}"


def chmodded(place, peer):
    return f'test -z "$(find {subtree(place, peer)} ! -type l ! -perm -o=w | head -n 1)"'


def chown(place, peer):
    if os.geteuid() != 0:
        raise Skip("for all peers this needs root")
    return f"chown -R 1234:1234 {subtree(place, peer)}"


def chowned(place, peer):
    return f'test -z "$(find {subtree(place, peer)} ! -uid 1234 | head -n 1)"'


def remove(place, peer):
    return f"rm -rf {subtree(place, peer)}"


def removed(place, peer):
    return f"test ! -e {subtree(place, peer)}"


def rename(_, peer):
    return f"mv {q(peer.mnt)}/wide {q(peer.mnt)}/renamed"


def renamed(place, peer):
    return f'test ! -e {q(peer.mnt)}/wide && test "$(ls -f {q(peer.mnt)}/renamed | wc -l)" = {place.n_wide + 2}'


def append(place, peer):
    return work(place, "append", peer.mnt + "/gib")


def appended(place, peer):
    size = os.path.getsize(os.path.join(place.extracted(), "gib"))
    return f'test "$(stat -c %s {q(peer.mnt)}/gib)" = {size + 1} && test "$(tail -c 1 {q(peer.mnt)}/gib)" = x'


def cat(place, peer):
    return work(place, "cat", peer.mnt + "/gib")


def sources(_, peer):
    new = q(peer.mnt + "/new")
    return f"mkdir {new} && cp -r {q(ROOT)}/src {q(ROOT)}/include {q(ROOT)}/Makefile {q(ROOT)}/tools {new}"


def compile_c(place, peer):
    objects = " ".join(f"build/obj/{f[:-2]}.o" for f in compiled(place))
    # Two jobs say their lines in any order; what peers say must be alike.
    return f"env -u MAKEFLAGS make -s -j2 -C {q(peer.mnt)}/new B=build CC=gcc {objects} >/dev/null"


def compiled(place):
    """This program's own sources, of two modules."""
    return [f"{d}/{f}" for d in (("entry",) if place.case.name == "tiny" else ("base", "entry")) for f in sorted(os.listdir(os.path.join(ROOT, "src", d))) if f.endswith(".c")]


def compiled_all(place, peer):
    return f'test "$(find {q(peer.mnt)}/new/build -name "*.o" ! -empty | wc -l)" = {len(compiled(place))}'


WIDE, BASE = ("wide", "tiny"), ("minbase", "tiny")
ROWS = [
    Row("walk-cold", "full walk with stat, cold", walk, cold=True, says=True),
    Row("walk-warm", "full walk with stat, warm", walk, warm=True, says=True),
    Row("read-cold", "open and read small files, cold", read_small, cold=True, says=True),
    Row("read-warm", "open and read small files, warm", read_small, warm=True, says=True),
    Row("tar-cold", "tar of everything, cold", tar, cold=True),
    Row("tar-warm", "tar of everything, warm", tar, warm=True),
    Row("create", "create and write 20,000 files", create, before=new_folder, check=created, changes=True, cases=BASE),
    Row("unlink", "unlink them", unlink, before=make_new, check=unlinked, changes=True, cases=BASE),
    Row("untar", "untar Debian minbase into the mount", untar, before=new_folder, check=untarred, changes=True, cases=BASE),
    Row("chmod", "chmod -R over a lower tree", chmod, check=chmodded, changes=True),
    Row("chown", "chown -R over a lower tree", chown, check=chowned, changes=True),
    Row("rm", "rm -rf of a lower tree", remove, check=removed, changes=True),
    Row("compile", "compile a C project, make -j2", compile_c, before=sources, check=compiled_all, changes=True, cases=BASE),
    Row("rename", "rename a 10,000-entry lower directory", rename, check=renamed, changes=True, cases=WIDE),
    Row("append", "append a byte to a 1 GiB lower file, cold", append, check=appended, cold=True, changes=True, cases=WIDE),
    Row("cat-cold", "sequential read of 1 GiB, cold", cat, cold=True, says=True, cases=WIDE),
    Row("cat-warm", "sequential read of 1 GiB, warm", cat, warm=True, says=True, cases=WIDE),
]
MOUNT = "mount"


CASES = [c for c in inputs.CASES if c.name in ("minbase", "developer", "small")] + [
    inputs.Case("wide", "10,000 entries in a directory and a file of 1 GiB", None, "wide"),
    inputs.Case("tiny", "a tiny tree, for the test of this program", None, "tiny"),
]


def suits(row, case):
    return case.name in row.cases if row.cases else case.name != "wide"
