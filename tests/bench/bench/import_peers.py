# SPDX-License-Identifier: Apache-2.0
"""Who imports in tests/bench/import: fccompose from each kind of source, the other unpackers, and decompression to nothing."""
import os
import shutil
from shlex import quote as q

from bench.inputs import Skip
from bench.measure import must


class Peer:
    """@command is what is timed, in a shell; @before what is done ahead of it, untimed; @check fails if what it left is wrong."""

    memory = True
    ours = False

    def __init__(self, place):
        self.place, self.out = place, os.path.join(place.dir, "out")

    def needs(self):
        """Raise Skip when something is missing."""

    def before(self):
        shutil.rmtree(self.out, ignore_errors=True)

    def check(self):
        return None


def need(*commands):
    missing = [c for c in commands if not shutil.which(c)]
    if missing:
        raise Skip(f"{', '.join(missing)} is not installed")


class Ours(Peer):
    """An import into an empty cache. @source: the locators."""

    ours = True
    program = "fccompose"

    def run(self):
        return f"FCCOMPOSE_CACHE={q(self.out)} {q(getattr(self.place, self.program))} pull -q {' '.join(map(q, self.source()))}"

    def command(self):
        return f"{self.run()} > /dev/null"

    def check(self):
        """Each layer must have the name that sha256 gives its tar, and be whole."""
        layers = " && ".join(f"test -s {q(os.path.join(self.out, 'layers', d, 'index'))}" for d in self.place.image.diffids)
        return f"{layers} && FCCOMPOSE_CACHE={q(self.out)} {q(self.place.fccompose)} cache verify -q"


class OfFiles(Ours):
    name = "fccompose, .tar.gz"

    def source(self):
        return self.place.image.blobs


class WithoutIsal(OfFiles):
    name = "fccompose, .tar.gz, without isa-l"
    program = "zlib_build"

    def needs(self):
        if not os.path.exists(self.place.zlib_build):
            raise Skip(f"{self.place.zlib_build} is not built (make bench-import does)")


class OfLayout(Ours):
    name = "fccompose, oci:DIR"

    def source(self):
        return [f"oci:{self.place.image.dir}:t"]


class OfRegistry(Ours):
    name = "fccompose, docker://"

    def needs(self):
        self.address = self.place.registry()

    def source(self):
        return [f"docker://{self.address}/bench:t"]


class OfServer(Ours):
    name = "fccompose, http://"

    def needs(self):
        self.address = self.place.server()

    def source(self):
        return [f"http://{self.address}/{os.path.relpath(b, self.place.image.dir)}" for b in self.place.image.blobs]


class Again(OfFiles):
    """The cache has it: imported once before all runs, and longer ago than the file system's clock is coarse."""

    name = "fccompose, .tar.gz, second time"

    def __init__(self, place):
        super().__init__(place)
        self.out = os.path.join(place.dir, "cache")

    def before(self):
        if not os.path.exists(self.out):
            must(f"sleep 2; {self.command()}", "importing for the first time")


class Tar(Peer):
    name = "tar -xzf"

    def needs(self):
        need("tar")

    def before(self):
        super().before()
        os.makedirs(self.out)

    def extract(self, blobs):
        owner = "--numeric-owner --xattrs --xattrs-include='*'" if os.geteuid() == 0 else "--exclude=./dev/*"
        return " && ".join(f"tar -C {q(self.out)} {owner} -xpzf {b}" for b in blobs)

    def command(self):
        return self.extract(map(q, self.place.image.blobs))

    def tree(self):
        return self.out

    def check(self):
        return f"test \"$(find {q(self.tree())} -mindepth 1 -printf . | wc -c)\" -eq {self.place.image.n_names}"


class Umoci(Tar):
    name = "umoci unpack"

    def needs(self):
        need("umoci")

    def before(self):
        Peer.before(self)

    def command(self):
        how = "" if os.geteuid() == 0 else "--rootless"
        return f"umoci unpack {how} --image {q(self.place.image.dir + ':t')} {q(self.out)}"

    def tree(self):
        return os.path.join(self.out, "rootfs")


class Skopeo(Tar):
    """skopeo to a folder, then tar: the layers' files have the names of their digests."""

    name = "skopeo copy, then tar"

    def __init__(self, place):
        super().__init__(place)
        self.copy = os.path.join(place.dir, "copy")

    def needs(self):
        need("skopeo", "tar")

    def before(self):
        super().before()
        shutil.rmtree(self.copy, ignore_errors=True)

    def command(self):
        files = [q(os.path.join(self.copy, os.path.basename(b))) for b in self.place.image.blobs]
        return f"skopeo copy -q oci:{q(self.place.image.dir)}:t dir:{q(self.copy)} && {self.extract(files)}"


class Gzip(Peer):
    name = "gzip -dc"
    program = "gzip"

    def needs(self):
        need(self.program)

    def command(self):
        return " && ".join(f"{self.program} -dc {q(b)} > /dev/null" for b in self.place.image.blobs)


class Igzip(Gzip):
    name = "igzip -dc"
    program = "igzip"


PEERS = [OfFiles, WithoutIsal, OfLayout, OfRegistry, OfServer, Again, Tar, Umoci, Skopeo, Gzip, Igzip]
