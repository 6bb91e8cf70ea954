# SPDX-License-Identifier: Apache-2.0
"""Tables of tests/bench/import, and the targets of imports."""
import datetime

from bench import report
from bench.live_report import version

BIG = ("developer",)
ALL = ("minbase", "developer", "layers")
# Cases, what, against, at most.
RATIOS = [(BIG, "fccompose, .tar.gz", "gzip -dc", 0.4), (BIG, "fccompose, .tar.gz, without isa-l", "gzip -dc", 1.0),
          (ALL, "fccompose, oci:DIR", "umoci unpack", 1 / 3)]
MEMORY = 100e6
HEADS = ["", "seconds", "(min-max)", "CPU", "of gzip -dc", "of umoci unpack", "MB", "MB of index", "runs"]


def ratio(got, other):
    return f"{got['median'] / other['median']:.3f}" if other and "median" in other else ""


def row(name, got, case):
    memory = "" if got["memory"] is None else f"{got['memory'] / 1e6:.1f}"
    return [name, report.seconds(got["median"]), f"{report.seconds(got['min'])}-{report.seconds(got['max'])}", report.seconds(got["cpu"]),
            ratio(got, case.get("gzip -dc")), ratio(got, case.get("umoci unpack")), memory,
            f"{got['index'] / 1e6:.1f}" if got["index"] else "", str(got["runs"])]


def one_case(title, case, markdown):
    rows = [HEADS] + [row(n, g, case) for n, g in case.items() if "skip" not in g]
    skipped = [f"{'' if markdown else '  '}not measured: {n}: {g['skip']}" for n, g in case.items() if "skip" in g]
    return "\n".join([("### " if markdown else "") + title + "\n", report.table(rows, markdown)] + skipped) + "\n"


def verdict(number, limit):
    return "-" if number is None else "met" if number <= limit else "missed"


def judged(results, markdown):
    rows = [["case", "work", "against", "at most", "measured", ""]]
    for cases, what, against, limit in RATIOS:
        for case in cases:
            a, b = results.get(case, {}).get(what, {}), results.get(case, {}).get(against, {})
            number = a["median"] / b["median"] if "median" in a and "median" in b else None
            rows.append([case, what, against, f"{limit:.3g}", "not measured" if number is None else f"{number:.3g}", verdict(number, limit)])
    for case, got in results.items():
        for what, g in got.items():
            if what.startswith("fccompose") and "second" not in what and g.get("memory"):
                number = g["memory"] - g["index"]
                rows.append([case, what, "memory besides the index", f"{MEMORY / 1e6:g} MB", f"{number / 1e6:.3g} MB", verdict(number, MEMORY)])
    return ("### Targets\n\n" if markdown else "Targets\n") + report.table(rows, markdown) + "\n"


def heading(fccompose, runs):
    known = "; ".join(v for v in (version([fccompose, "version"]), version(["umoci", "--version"]), version(["skopeo", "--version"])) if v)
    return (f"{datetime.date.today().isoformat()}; {report.machine()}; {known}. Medians of up to {runs} runs, all peers in turns, input in the "
            "page cache. Only fccompose waits until its result is on the disk (fsync). CPU is that of the command, without servers. MB is the "
            "peak of RssAnon (memory of its own, not page cache) of the largest process, looked at every 5 ms in a run that is not timed; it "
            "holds the index of the layer, whose size stands beside it.\n")
