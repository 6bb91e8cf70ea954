# SPDX-License-Identifier: Apache-2.0
"""Time one workload through one peer: its seconds, the CPU of the command and of the server, the server's memory."""
import os
import signal
import statistics
import subprocess
import tempfile
import time

from bench.inputs import Skip
from bench.measure import Failed, last_line, must

TICKS = os.sysconf("SC_CLK_TCK")


def drop_caches():
    try:
        with open("/proc/sys/vm/drop_caches", "w") as f:
            f.write("3")
    except OSError as e:
        raise Skip(f"the caches cannot be dropped: {e.strerror}") from None


def server_cpu(pid):
    if not pid:
        return 0
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def server_memory(pid):
    """RssAnon: what the process has for itself. The pages of indexes and packs that it has mapped are cache: RssFile."""
    if not pid:
        return None
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("RssAnon:"))


def timed(command, limit):
    """(seconds, CPU seconds, standard output) of a shell command with its children."""
    with tempfile.TemporaryFile(mode="w+") as out, tempfile.TemporaryFile(mode="w+", errors="replace") as words:
        start = time.monotonic()
        child = subprocess.Popen(["sh", "-c", command], stdin=subprocess.DEVNULL, stdout=out, stderr=words, start_new_session=True)
        signal.alarm(int(limit))
        try:
            status, usage = os.wait4(child.pid, 0)[1:]
        except BaseException as e:
            os.killpg(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)
            if isinstance(e, TimeoutError):
                raise Failed(f"more than {limit:g} s") from None
            raise
        finally:
            signal.alarm(0)
            child.returncode = 0
        seconds = time.monotonic() - start
        words.seek(0)
        out.seek(0)
        if status != 0:
            raise Failed(f"status {os.waitstatus_to_exitcode(status)}: {last_line(words.read())}")
        return seconds, usage.ru_utime + usage.ru_stime, out.read().strip()


def too_late(*_):
    raise TimeoutError


def once(row, place, peer, limit, check):
    """One measurement: (seconds, CPU of the command, CPU of the server, memory of the server, what it said)."""
    command, before = row.command(place, peer), row.before and row.before(place, peer)
    peer.fresh()
    peer.mount()
    try:
        peer.changed = row.changes
        if before:
            must(before, "preparing")
        for _ in range(2 if row.warm else 0):
            timed(command, limit)
        if row.cold or row.changes:
            must(f"sync -f '{place.dir}'", "syncing")
        if row.cold:
            drop_caches()
        cpu = server_cpu(peer.pid)
        seconds, own, said = timed(command, limit)
        got = seconds, own, server_cpu(peer.pid) - cpu, server_memory(peer.pid), said
        if check and row.check:
            must(row.check(place, peer), "what it left is wrong")
        return got
    finally:
        peer.unmount()


def mount_once(peer):
    peer.fresh()
    seconds = peer.mount()
    try:
        return seconds, 0, server_cpu(peer.pid), server_memory(peer.pid), ""
    finally:
        peer.unmount()


class Series:
    """The runs of one row with one peer."""

    def __init__(self, run):
        self.run, self.got, self.skip = run, [], None
        self.said = None

    def round(self, runs, budget, check):
        """One more run, unless there were enough or they took the time that there is."""
        if self.skip or len(self.got) >= runs or (self.got and sum(g[0] for g in self.got) + self.got[-1][0] > budget):
            return
        try:
            self.got.append(self.run(check))
            self.said = self.got[-1][4]
        except (Skip, Failed) as e:
            self.skip = str(e)

    def result(self):
        if self.skip:
            return {"skip": self.skip}
        seconds = [g[0] for g in self.got]
        middle = [statistics.median(g[i] for g in self.got) for i in range(3)]
        memory = [g[3] for g in self.got if g[3] is not None]
        return {"median": middle[0], "min": min(seconds), "max": max(seconds), "cpu": middle[1], "server_cpu": middle[2],
                "memory": max(memory) if memory else None, "runs": len(seconds)}
