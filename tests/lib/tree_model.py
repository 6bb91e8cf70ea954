# SPDX-License-Identifier: Apache-2.0
"""A tree in memory that can be written as a layer and described as tests/lib/manifest describes the mounted image of it."""
import hashlib

BLOCK = 4096
NS = 10**9
LARGE = 1 << 30  # files of this size and more are described by their data alone


def show(name):
    return "".join(chr(b) if 33 <= b < 127 and b != 92 else f"\\x{b:02x}" for b in name)


class Object:
    """An inode. @runs: (offset, bytes) of data; @dense: said without a map of holes."""

    def __init__(self, kind, meta, size=0, runs=(), dense=True, link=b"", dev=(0, 0)):
        self.kind, self.meta, self.size, self.runs, self.dense, self.link, self.dev = kind, dict(meta), size, list(runs), dense, link, dev
        self.xattrs, self.names = {}, 0
        if kind == "l":
            self.meta["mode"] = 0o777

    def map(self):
        """Merged runs of blocks that hold data."""
        out = []
        for at, data in self.runs:
            first, last = at // BLOCK, -(-(at + len(data)) // BLOCK)
            if out and out[-1][1] >= first:
                out[-1][1] = max(last, out[-1][1])
            else:
                out.append([first, last])
        return out

    def digest(self):
        h, runs = hashlib.sha256(), list(self.runs)
        for first, last in self.map() if self.size >= LARGE else [(0, -(-self.size // BLOCK))]:
            at, end = first * BLOCK, min(last * BLOCK, self.size)
            if self.size >= LARGE:
                h.update(b"%d\n" % at)
            while runs and runs[0][0] < end:
                start, data = runs.pop(0)
                zeros(h, start - at)
                h.update(data)
                at = start + len(data)
            zeros(h, end - at)
        return h.hexdigest()


def zeros(h, n):
    while n > 0:
        h.update(bytes(min(n, 1 << 20)))
        n -= 1 << 20


def kept_time(ns, inode_size):
    """What ext4 keeps: 32 bits, and with larger inodes two more and the nanoseconds; the nearest of what does not fit."""
    least, most = -(1 << 31), (1 << 31) - 1 if inode_size == 128 else 0x37FFFFFFF
    sec, rest = divmod(ns, NS)
    if sec < least:
        return least * NS
    if sec > most:
        return most * NS
    return sec * NS + (rest if inode_size > 128 else 0)


class Tree:
    """Paths to objects; b"" is the root."""

    def __init__(self, root_meta):
        self.at = {b"": Object("d", root_meta)}

    def add(self, path, obj):
        assert path not in self.at, path
        return self.link(path, obj)

    def link(self, path, obj):
        self.at[path] = obj
        obj.names += 1
        return obj

    def write(self, layer):
        """In the order in which the objects came: parents first, targets before links."""
        said = {}
        for path, obj in self.at.items():
            meta = dict(obj.meta, xattrs=[(b"SCHILY.xattr." + k, v) for k, v in obj.xattrs.items()])
            if id(obj) in said:
                layer.write(path, b"1", dict(meta, xattrs=[]), link=said[id(obj)])
                continue
            said[id(obj)] = path
            if obj.kind == "-" and not obj.dense:
                layer.write(path, b"0", meta, runs=obj.runs, realsize=obj.size)
            else:
                layer.write(path, {"-": b"0", "d": b"5", "l": b"2", "c": b"3", "b": b"4", "p": b"6"}[obj.kind], meta,
                            b"".join(d for _, d in obj.runs), obj.link if obj.kind == "l" else b"", obj.dev if obj.kind in "cb" else (0, 0))
        layer.close()

    def describe(self, out, inode_size):
        groups = {}
        for path in sorted(self.at, key=lambda p: p.split(b"/")):
            obj = self.at[path]
            m = obj.meta
            words = [show(path) or ".", obj.kind, f"{m['mode']:04o}", f"{m['uid']}:{m['gid']}", str(kept_time(m["mtime"], inode_size))]
            if obj.kind in "cb":
                words.append(f"{obj.dev[0]},{obj.dev[1]}")
            if obj.kind == "l":
                words.append("->" + show(obj.link))
            if obj.kind == "-":
                words += [str(obj.size), obj.digest(), "data=" + ",".join(f"{a}-{b}" for a, b in obj.map())]
            if obj.kind != "d":
                words.append(f"nlink={obj.names}")
                if obj.names > 1:
                    words.append("group=" + show(groups.setdefault(id(obj), path)))
            words += [f"{show(k)}=0x{v.hex()}" for k, v in sorted(obj.xattrs.items())]
            out.write(" ".join(words) + "\n")
