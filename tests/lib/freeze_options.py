#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draw options of freeze at random: freeze_options.py SEED prints some, each ended by a NUL, that change nothing in the tree."""
import random
import re
import subprocess
import sys


def known():
    """The options that the fccompose on PATH has."""
    r = subprocess.run(["fccompose", "help", "freeze"], stdout=subprocess.PIPE, text=True, check=True)
    return set(re.findall(r"--[a-z-]+", r.stdout))


def features(r, inode_size, size_given):
    """Options that came later: drawn apart, so that the rest of a seed is the same without them."""
    out, have = [], known()
    if "--align" in have and not size_given:
        out += r.choice([[], [], [], ["--align", "2M"], ["--align", "64K"]])
    if "--compact" in have:
        out += r.choice([[], [], [], ["--compact"]])
    profile = r.choice([None, None, "5.10", "6.1", "6.18", "compat"]) if "--profile" in have else None
    out += ["--profile", profile] if profile else []
    if "--inline-data" in have and profile != "compat" and inode_size > 128:
        out += r.choice([[], ["--inline-data"]])
    return out


def draw(r, inode_size):
    out = base(r, inode_size)
    apart = random.Random(r.random())
    if "--read-only" in known() and apart.random() < 0.12:
        out = ["--inode-size", str(inode_size), "--read-only"]
    return out + features(apart, inode_size, "--size" in out)


def base(r, inode_size):
    out = ["--inode-size", str(inode_size)]
    out += r.choice([[], [], ["--journal", "none"], ["--journal", "4M"], ["--journal", "5000K"], ["--journal", "64M"]])
    out += r.choice([[], [], ["--free", "1"], ["--free", "4096"], ["--free", "100M"], ["--free", "1G"], ["--free", f"{r.randrange(1 << 28)}"],
                     ["--size", f"{r.randrange(1 << 29, 1 << 30)}"]])
    out += r.choice([[], ["--label", ""], ["--label", "sixteen bytes ok"], ["--label", "-x y"]])
    out += r.choice([[], ["--reserved", r.choice(["0", "0.1", "5", "50"])]])
    out += r.choice([[], [], ["--inodes", str(r.choice([1, 16, 20000, 100000]))]])
    out += r.choice([[], ["--no-clone"], ["--uuid", "01234567-89ab-4cde-8f01-23456789abcd"]])
    return out


def main():
    r = random.Random(int(sys.argv[1]))
    # Not 128: times would lose their nanoseconds.
    sys.stdout.write("".join(o + "\0" for o in draw(r, r.choice([256, 256, 512, 1024]))))


if __name__ == "__main__":
    main()
