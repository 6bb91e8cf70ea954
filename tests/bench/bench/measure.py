# SPDX-License-Identifier: Apache-2.0
"""Time one command by hyperfine, and its memory by one more run."""
import json
import os
import signal
import statistics
import subprocess
import tempfile
import time


class Failed(Exception):
    """The command failed; the words are its last line."""


def anonymous_peak(pid, most):
    """RssAnon now, or @most if that was more: memory that is no mapped file."""
    try:
        with open(f"/proc/{pid}/status") as f:
            for line in f:
                if line.startswith("RssAnon:"):
                    return max(most, int(line.split()[1]) * 1024)
    except OSError:
        pass
    return most


def run_limited(argv, limit):
    """(status, standard error) of @argv; with all its children it is killed after @limit seconds, or when we are interrupted."""
    with tempfile.TemporaryFile(mode="w+", errors="replace") as words:
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=words, start_new_session=True)
        try:
            status = child.wait(limit)
        except BaseException as e:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            if isinstance(e, subprocess.TimeoutExpired):
                raise Failed(f"more than {limit:g} s") from None
            raise
        words.seek(0)
        return status, words.read()


def run_once(command, limit):
    """Run @command. Returns the numbers of that one run; the memory is the peak of its largest process, mapped files included."""
    # By time(1), not by wait4(): a child of ours begins with our own memory in its peak.
    with tempfile.NamedTemporaryFile(mode="r") as out:
        start = time.monotonic()
        status, words = run_limited(["time", "-q", "-f", "%U %S %M", "-o", out.name, "sh", "-c", command], limit)
        seconds = time.monotonic() - start
        if status != 0:
            raise Failed(f"status {status}: {last_line(words)}")
        user, system, memory = out.read().split()
    return {"median": seconds, "min": seconds, "max": seconds, "user": float(user), "system": float(system),
            "memory": int(memory) * 1024, "runs": 1}


def last_line(text):
    return (text.strip().splitlines() or ["no word"])[-1][:200]


class Series:
    """The runs of one command: a first one, which warms the caches and is checked, then rounds beside those of its peers."""

    def __init__(self, command, prepare, check, runs, budget, limit):
        self.command, self.prepare, self.times = command, prepare, []
        must(prepare, "preparing")
        self.first = run_once(command, limit)
        if check:
            must(check, "what was written is wrong")
        self.runs = min(runs, int(budget / max(self.first["median"], 0.001)))
        self.user = self.system = 0

    def round(self):
        """One more run by hyperfine, unless there were enough."""
        if len(self.times) >= self.runs:
            return
        with tempfile.NamedTemporaryFile(suffix=".json") as out:
            argv = ["hyperfine", "--style", "none", "--runs", "1", "--export-json", out.name, "--prepare", self.prepare, self.command]
            r = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            if r.returncode != 0:
                raise Failed(last_line(r.stderr))
            with open(out.name) as f:
                got = json.load(f)["results"][0]
        self.times += got["times"]
        self.user += got["user"]
        self.system += got["system"]

    def result(self):
        """The medians; the first run alone where the budget allowed no more."""
        n = len(self.times)
        if n == 0:
            return self.first
        return {"median": statistics.median(self.times), "min": min(self.times), "max": max(self.times), "user": self.user / n,
                "system": self.system / n, "memory": self.first["memory"], "runs": n}


def must(command, what):
    r = subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if r.returncode != 0:
        raise Failed(f"{what}: {last_line(r.stdout)}")


def first_byte(argv, prepare, runs):
    """Seconds until @argv's first byte on standard output, and the peak of its memory besides mapped files until then."""
    times, peak = [], 0
    for _ in range(runs + 1):
        must(prepare, "preparing")
        start = time.monotonic()
        child = subprocess.Popen(argv, bufsize=0, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        os.set_blocking(child.stdout.fileno(), False)
        got = None
        while got is None:
            peak = anonymous_peak(child.pid, peak)
            got = child.stdout.read(1)
            if got is None:
                time.sleep(0.001)
        times.append(time.monotonic() - start)
        child.stdout.close()
        child.terminate()
        child.wait()
        if not got:
            raise Failed("no output")
    times = sorted(times[1:])
    return {"median": statistics.median(times), "min": times[0], "max": times[-1], "user": None, "system": None, "memory": peak,
            "runs": runs}
