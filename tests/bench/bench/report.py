# SPDX-License-Identifier: Apache-2.0
"""Print results as tables, plain or in Markdown."""
import datetime
import os
import platform
import subprocess

from bench import targets

HEADS = ["", "seconds", "(min-max)", "user", "system", "peak MB", "of cp", "of mke2fs -d", "runs"]


def table(rows, markdown):
    if markdown:
        rows = [rows[0], ["---"] * len(rows[0])] + rows[1:]
        return "\n".join("| " + " | ".join(r) + " |" for r in rows)
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(r, widths))).rstrip() for r in rows)


def seconds(x):
    return "" if x is None else f"{x:.3f}" if x < 10 else f"{x:.1f}"


def ratio(a, b):
    return f"{a['median'] / b['median']:.3f}" if b and "median" in b else ""


def row(name, got, case):
    if "skip" in got:
        return [name, "-", got["skip"], "", "", "", "", "", ""]
    return [name, seconds(got["median"]), f"{seconds(got['min'])}-{seconds(got['max'])}", seconds(got["user"]), seconds(got["system"]),
            f"{got['memory'] / 1e6:.0f}", ratio(got, case.get("cp")), ratio(got, case.get("mke2fs -d")), str(got["runs"])]


def machine():
    model = "unknown processor"
    with open("/proc/cpuinfo") as f:
        model = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), model)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    distribution = platform.freedesktop_os_release().get("PRETTY_NAME", "") if hasattr(platform, "freedesktop_os_release") else ""
    return f"{os.cpu_count()} cores ({model}), {memory} GiB, {distribution}, kernel {platform.release()}"


def versions(fccompose):
    commands = {"fccompose": [fccompose, "version"], "mke2fs": ["mke2fs", "-V"], "cp": ["cp", "--version"]}
    out = []
    for argv in commands.values():
        try:
            r = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            out.append(r.stdout.splitlines()[0].split(" (")[0] if argv[0] != "cp" else r.stdout.splitlines()[0])
        except (OSError, IndexError):
            pass
    return "; ".join(out)


def one_case(title, case, markdown):
    """The table of one case on one host, with what was skipped and why."""
    rows = [HEADS] + [row(name, got, case) for name, got in case.items() if "skip" not in got]
    skipped = [f"{'' if markdown else '  '}not measured: {name}: {got['skip']}" for name, got in case.items() if "skip" in got]
    head = f"{'### ' if markdown else ''}{title}\n"
    return "\n".join([head + ("\n" if markdown else "") + table(rows, markdown)] + ([""] if markdown else []) + skipped) + "\n"


def judged(results, markdown):
    rows = [["case", "host", "work", "against", "at most", "measured", ""]] + [list(v) for v in targets.verdicts(results)]
    head = "### Targets\n\n" if markdown else "Targets\n"
    return head + table(rows, markdown) + "\n"


def heading(fccompose, runs):
    return (f"{datetime.date.today().isoformat()}; {machine()}; {versions(fccompose)}. Medians of up to {runs} runs, page cache warm, "
            "layers cached, no fsync; peak memory of the largest process, mapped files included.\n")
