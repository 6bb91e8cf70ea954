# SPDX-License-Identifier: Apache-2.0
"""Time one import, and once, in a run of its own that is not timed, look at its memory and at what it left."""
import os
import subprocess
import time

from bench.live_measure import timed
from bench.measure import Failed, anonymous_peak, must

LOOK = 0.005  # seconds between two looks at the memory


def descendants(pid):
    """@pid, its children, and theirs."""
    found = [pid]
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as f:
                for child in f.read().split():
                    found += descendants(int(child))
    except OSError:
        pass
    return found


def memory_of(command, limit):
    """
    The peak of RssAnon of the largest process of @command: memory of its own, index tables that are built or read included; not
    the page cache, where packs and mapped files are.
    """
    child = subprocess.Popen(["sh", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             start_new_session=True)
    peaks, end = {}, time.monotonic() + limit
    while child.poll() is None:
        for pid in descendants(child.pid):
            peaks[pid] = anonymous_peak(pid, peaks.get(pid, 0))
        if time.monotonic() > end:
            os.killpg(child.pid, 9)
            child.wait()
            raise Failed(f"more than {limit:g} s")
        time.sleep(LOOK)
    if child.returncode != 0:
        raise Failed(f"status {child.returncode}")
    return max(peaks.values(), default=0)


def index_bytes(folder):
    """The bytes of the largest layer index in the cache @folder."""
    layers = os.path.join(folder, "layers")
    found = [os.path.join(layers, d, "index") for d in os.listdir(layers)] if os.path.isdir(layers) else []
    return max((os.path.getsize(p) for p in found if os.path.exists(p)), default=0)


def settle(peer):
    """What the last run left is gone, and nothing waits to be written to the disk."""
    peer.before()
    must(f"sync -f '{peer.place.dir}'", "syncing")


def once(peer, limit, check):
    """One run, as live_measure.Series wants it: (seconds, CPU, bytes of the index, memory or None, nothing said)."""
    memory, index = None, 0
    if check:
        peer.needs()
        settle(peer)
        memory = memory_of(peer.command(), limit)
        index = index_bytes(peer.out) if peer.ours else 0
        if peer.check():
            must(peer.check(), "what it left is wrong")
    settle(peer)
    seconds, cpu, _ = timed(peer.command(), limit)
    return seconds, cpu, index, memory, ""
