# SPDX-License-Identifier: Apache-2.0
"""Time one command by hyperfine, and its memory by one more run."""
import json
import os
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


def run_once(command):
    """Run @command. Returns the numbers of that one run; the memory is the peak of its largest process, mapped files included."""
    # By time(1), not by wait4(): a child of ours begins with our own memory in its peak.
    with tempfile.NamedTemporaryFile(mode="r") as out:
        start = time.monotonic()
        r = subprocess.run(["time", "-q", "-f", "%U %S %M", "-o", out.name, "sh", "-c", command], stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
        seconds = time.monotonic() - start
        if r.returncode != 0:
            raise Failed(f"status {r.returncode}: {last_line(r.stderr)}")
        user, system, memory = out.read().split()
    return {"median": seconds, "min": seconds, "max": seconds, "user": float(user), "system": float(system),
            "memory": int(memory) * 1024, "runs": 1}


def last_line(text):
    return (text.strip().splitlines() or ["no word"])[-1][:200]


def measure(command, prepare, check, runs, budget):
    """Median of up to @runs runs that fit into @budget seconds, after one that warms the caches and is checked; that one if none fit."""
    must(prepare, "preparing")
    first = run_once(command)
    if check:
        must(check, "what was written is wrong")
    runs = min(runs, int(budget / max(first["median"], 0.001)))
    if runs < 2:  # fewer than hyperfine takes
        return first
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        argv = ["hyperfine", "--style", "none", "--runs", str(runs), "--export-json", out.name, "--prepare", prepare, command]
        r = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if r.returncode != 0:
            raise Failed(last_line(r.stderr))
        with open(out.name) as f:
            got = json.load(f)["results"][0]
    return {"median": got["median"], "min": got["min"], "max": got["max"], "user": got["user"], "system": got["system"],
            "memory": first["memory"], "runs": len(got["times"])}


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
    return {"median": times[len(times) // 2], "min": times[0], "max": times[-1], "user": None, "system": None, "memory": peak,
            "runs": runs}
