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


def first_run(command):
    """Run @command once. Returns seconds, and the peak memory of its largest process in bytes, mapped files included."""
    # By time(1), not by wait4(): a child of ours begins with our own memory in its peak.
    with tempfile.NamedTemporaryFile(mode="r") as out:
        start = time.monotonic()
        r = subprocess.run(["time", "-q", "-f", "%M", "-o", out.name, "sh", "-c", command], stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
        seconds = time.monotonic() - start
        if r.returncode != 0:
            raise Failed(f"status {r.returncode}: {last_line(r.stderr)}")
        return seconds, int(out.read()) * 1024


def last_line(text):
    return (text.strip().splitlines() or ["no word"])[-1][:200]


def measure(command, prepare, check, runs, budget):
    """Median of up to @runs runs that fit into @budget seconds (at least one), after a run that warms the caches and is checked."""
    must(prepare, "preparing")
    warm, memory = first_run(command)
    if check:
        must(check, "what was written is wrong")
    runs = max(1, min(runs, int(budget / max(warm, 0.001))))
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        if runs == 1:  # hyperfine wants two
            return once(command, prepare, memory)
        argv = ["hyperfine", "--style", "none", "--runs", str(runs), "--export-json", out.name, "--prepare", prepare, command]
        r = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if r.returncode != 0:
            raise Failed(last_line(r.stderr))
        got = json.load(open(out.name))["results"][0]
    return {"median": got["median"], "min": got["min"], "max": got["max"], "user": got["user"], "system": got["system"],
            "memory": memory, "runs": len(got["times"])}


def must(command, what):
    r = subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if r.returncode != 0:
        raise Failed(f"{what}: {last_line(r.stderr)}")


def once(command, prepare, memory):
    must(prepare, "preparing")
    before = os.times()
    seconds, more = first_run(command)
    after = os.times()
    return {"median": seconds, "min": seconds, "max": seconds, "user": after.children_user - before.children_user,
            "system": after.children_system - before.children_system, "memory": max(memory, more), "runs": 1}


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
