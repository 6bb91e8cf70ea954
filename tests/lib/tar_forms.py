# SPDX-License-Identifier: Apache-2.0
"""Layer tars written by hand, in PAX and GNU forms, for the generators of random trees."""
import struct

BLOCK = 512
ODD_NAMES = [b"-rf", b"--", b"-C", b" leading", b"trailing ", b"a b  c", b"back\\slash", b"back\\x41", b"\\", b"'", b'"',
             b"$(x)", b"*", b"?", b"[a]", b"PaxHeaders.0", b"@LongLink", b"././@PaxHeader"[4:], b"GNUSparseFile.0", b"path=x",
             b"20 path=other", b"%41", b"caf\xe9", b"\xff\xfe", b"\xc3\xa9", b"tab\there", b"cr\rhere", b"bell\a", b"\x7f", b"~",
             b"...", b"..x", b".hidden", b"wh.", b".wh", b".whx", b"x.wh.y", b"lost+found", b"#1", b"a:b", b"|", b"&", b";"]


def header(name, kind, size, meta, link=b"", dev=(0, 0), magic=b"ustar\x0000"):
    uid, gid, mode, mtime = meta["uid"], meta["gid"], meta["mode"], meta["mtime"] // 10**9
    gnu = magic != b"ustar\x0000"

    def number(value, width):
        if 0 <= value < 8 ** (width - 1):
            return b"%0*o\0" % (width - 1, value)
        if not gnu:
            return b"%0*o\0" % (width - 1, 0)  # the PAX record says it
        return (((1 << (8 * width)) + value if value < 0 else value | 0x80 << 8 * (width - 1))).to_bytes(width, "big")

    h = bytearray(struct.pack("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12x", name[:100], number(mode, 8), number(uid, 8),
                              number(gid, 8), number(size, 12), number(mtime, 12), b" " * 8, kind, link[:100], magic, b"", b"",
                              number(dev[0], 8), number(dev[1], 8), b""))
    h[148:156] = b"%06o\0 " % sum(h)
    return bytes(h)


def padded(data):
    return data + bytes(-len(data) % BLOCK)


def records(pairs):
    out = b""
    for key, value in pairs:
        body = b" " + key + b"=" + value + b"\n"
        n = len(body)
        while len(b"%d" % n) + len(body) != n:
            n = len(b"%d" % n) + len(body)
        out += b"%d" % n + body
    return out


def seconds(ns):
    sign, ns = (b"-", -ns) if ns < 0 else (b"", ns)
    return sign + b"%d.%09d" % divmod(ns, 10**9)


class Layer:
    """One tar being written; @listed are the paths that it already names."""

    def __init__(self, rnd, path):
        self.rnd, self.out, self.listed = rnd, open(path, "wb"), set()
        if rnd.random() < 0.2:
            self.raw(b"pax_global_header", b"g", records([(b"comment", b"c" * 40)]))

    def raw(self, name, kind, data):
        meta = {"uid": 0, "gid": 0, "mode": 0o644, "mtime": 0}
        self.out.write(header(name, kind, len(data), meta) + padded(data))

    def write(self, path, kind, meta, data=b"", link=b"", dev=(0, 0), runs=None, realsize=0):
        """@runs: (offset, bytes) pieces of a sparse file of @realsize bytes."""
        name = self.rnd.choice([b"./", b"./", b"", b"/"]) + path if path else b"./"
        if kind == b"5" and path:
            name += b"/"
        if kind == b"1":
            link = self.rnd.choice([b"./", b"", b"/"]) + link
        if runs is not None:
            return self.sparse(name, meta, runs, realsize)
        plain = not meta["xattrs"] and meta["mtime"] % 10**9 == 0
        if plain and self.rnd.random() < 0.4:
            return self.gnu(name, kind, meta, data, link, dev)
        pairs = self.pairs(meta)
        if len(name) > 100 or any(c > 126 for c in name):
            pairs.append((b"path", name))
        if len(link) > 100 or any(c > 126 for c in link):
            pairs.append((b"linkpath", link))
        for which, limit in ((0, b"major"), (1, b"minor")):
            if dev[which] >= 8**7:
                pairs.append((b"SCHILY.dev" + limit, b"%d" % dev[which]))
        if pairs:
            self.raw(b"PaxHeaders.0/x", b"x", records(pairs))
        self.out.write(header(name, kind, len(data), meta, link, dev) + padded(data))

    def pairs(self, meta):
        pairs = list(meta["xattrs"])
        for key in ("uid", "gid"):
            if meta[key] >= 8**7:
                pairs.append((key.encode(), b"%d" % meta[key]))
        if meta["mtime"] % 10**9 or not 0 <= meta["mtime"] // 10**9 < 8**11:
            pairs.append((b"mtime", seconds(meta["mtime"])))
        return pairs

    def gnu(self, name, kind, meta, data, link, dev):
        for text, letter in ((link, b"K"), (name, b"L")):
            if len(text) > 99:
                self.raw(b"././@LongLink", letter, text + b"\0")
        self.out.write(header(name, kind, len(data), meta, link, dev, b"ustar  \0") + padded(data))

    def sparse(self, name, meta, runs, realsize):
        """GNU's PAX forms 0.0, 0.1 and 1.0."""
        version = self.rnd.choice("000110")
        body = b"".join(d for _, d in runs)
        runs = runs + [(realsize, b"")]
        pairs = self.pairs(meta)
        if version == "0":
            pairs += [(b"GNU.sparse.size", b"%d" % realsize), (b"GNU.sparse.numblocks", b"%d" % len(runs))]
            for at, d in runs:
                pairs += [(b"GNU.sparse.offset", b"%d" % at), (b"GNU.sparse.numbytes", b"%d" % len(d))]
            pairs.append((b"path", name))
        else:
            pairs += [(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.name", name),
                      (b"GNU.sparse.realsize", b"%d" % realsize)]
            body = padded(b"%d\n" % len(runs) + b"".join(b"%d\n%d\n" % (at, len(d)) for at, d in runs)) + body
            name = b"GNUSparseFile.0/x"
        self.raw(b"PaxHeaders.0/x", b"x", records(pairs))
        self.out.write(header(name, b"0", len(body), meta) + padded(body))

    def close(self):
        self.out.write(bytes(1024))
        self.out.close()
