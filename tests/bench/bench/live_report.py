# SPDX-License-Identifier: Apache-2.0
"""Tables of tests/bench/live, and the targets of the live tree."""
import datetime
import subprocess

from bench import report

# Case, row, most of kernel overlayfs, most of fuse-overlayfs; None: no target.
RATIOS = [
    ("minbase", "walk-cold", 0.8, 0.3), ("minbase", "walk-warm", 1.1, 0.5), ("minbase", "read-cold", 1.0, 0.55),
    ("minbase", "read-warm", 1.2, 0.12), ("minbase", "tar-cold", 1.05, 0.5), ("minbase", "tar-warm", 1.2, 0.15),
    ("minbase", "create", 3.5, 0.5), ("minbase", "unlink", 5, 0.6), ("minbase", "untar", 9, 0.45), ("minbase", "chmod", 0.1, 0.12),
    ("minbase", "chown", 0.1, 0.12), ("wide", "rename", 0.01, 0.001), ("minbase", "rm", 1.1, 0.25), ("wide", "append", 0.02, 0.02),
    ("wide", "cat-cold", 1.2, 1.0), ("wide", "cat-warm", 1.1, 1.0),
]
# Case, row, field, limit, unit, scale.
NUMBERS = [("developer", "mount", "median", 0.1, "s", 1), ("minbase", "walk-cold", "memory", 12e6, "MB", 1e6),
           ("small", "walk-cold", "memory", 100e6, "MB", 1e6)]
HEADS = ["", "overlayfs", "fuse-overlayfs", "pass-through", "fccompose", "(min-max)", "of overlayfs", "of fuse-overlayfs",
         "CPU: command", "server", "MB", "runs"]


def cell(got):
    return report.seconds(got["median"]) if got and "median" in got else "-"


def ratio(ours, other):
    return f"{ours['median'] / other['median']:.3g}" if other and "median" in other else ""


def row(title, got):
    ours = got.get("fccompose", {})
    cells = [title] + [cell(got.get(name)) for name in HEADS[1:5]]
    if "median" not in ours:
        return cells + [""] * 7
    memory = "" if ours["memory"] is None else f"{ours['memory'] / 1e6:.1f}"
    return cells + [f"{report.seconds(ours['min'])}-{report.seconds(ours['max'])}", ratio(ours, got.get("overlayfs")),
                    ratio(ours, got.get("fuse-overlayfs")), report.seconds(ours["cpu"]), report.seconds(ours["server_cpu"]), memory,
                    str(ours["runs"])]


def one_case(title, results, titles, markdown):
    lines = [("### " if markdown else "") + title + "\n", report.table([HEADS] + [row(titles[n], g) for n, g in results.items()], markdown)]
    for name, got in results.items():
        lines += [f"{'' if markdown else '  '}not measured: {titles[name]}, {peer}: {g['skip']}" for peer, g in got.items() if "skip" in g]
    return "\n".join(lines) + "\n"


def verdict(number, limit):
    return "-" if number is None else "met" if number <= limit else "missed"


def against(results, case, name, peer):
    got = results.get(case, {}).get(name, {})
    ours, other = got.get("fccompose", {}), got.get(peer, {})
    return ours["median"] / other["median"] if "median" in ours and "median" in other else None


def judged(results, titles, markdown):
    rows = [["case", "work", "against", "at most", "measured", ""]]
    for case, name, *limits in RATIOS:
        for peer, limit in zip(("overlayfs", "fuse-overlayfs"), limits):
            number = against(results, case, name, peer)
            rows.append([case, titles[name], peer, f"{limit:g}", "not measured" if number is None else f"{number:.3g}",
                         verdict(number, limit)])
    for case, name, field, limit, unit, scale in NUMBERS:
        number = results.get(case, {}).get(name, {}).get("fccompose", {}).get(field)
        rows.append([case, titles[name], "seconds" if unit == "s" else "memory of the process", f"{limit / scale:g} {unit}",
                     "not measured" if number is None else f"{number / scale:.3g} {unit}", verdict(number, limit)])
    return ("### Targets\n\n" if markdown else "Targets\n") + report.table(rows, markdown) + "\n"


def version(argv):
    try:
        r = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return next((line for line in r.stdout.splitlines() if line.startswith(argv[0].rsplit("/", 1)[-1])), "")
    except OSError:
        return ""


def heading(fccompose, runs):
    known = "; ".join(v for v in (version([fccompose, "version"]), version(["fuse-overlayfs", "--version"])) if v)
    return (f"{datetime.date.today().isoformat()}; {report.machine()}; {known}. Seconds, medians of up to {runs} runs, all peers in turns; "
            "cold: just mounted, then all caches dropped. CPU and memory are those of fccompose; memory is RssAnon of its process, so "
            "without the pages of indexes and packs that it has mapped.\n")
