# SPDX-License-Identifier: Apache-2.0
"""The targets of the serializer, and whether the numbers meet them."""

REFLINK, PLAIN, ANY = "reflink", "plain", "any"


class Target:
    """@what against @against (None: seconds alone), at most @limit, on hosts of a @sort; @field of the measurement."""

    def __init__(self, case, what, against, limit, sort=PLAIN, field="median", unit=""):
        self.case, self.what, self.against, self.limit = case, what, against, limit
        self.sort, self.field, self.unit = sort, field, unit


TARGETS = [
    Target("developer", "fccompose", "cp", 1.15),
    Target("developer", "fccompose", "mke2fs -d", 0.13),
    Target("minbase", "fccompose", "mke2fs -d", 0.15),
    Target("small", "fccompose", "mke2fs -d", 0.10),
    Target("big", "fccompose", "cp", 1.1),
    Target("developer", "fccompose", "cp", 0.2, REFLINK),
    Target("developer", "fccompose", None, 0.4, REFLINK, unit=" s"),
    Target("developer", "fccompose, one file changed", "fccompose", 0.6, REFLINK),
    Target("developer", "first byte of the virtual disk", None, 0.25, PLAIN, unit=" s"),
    Target("developer", "fccompose, cold .tar.gz", "gzip -dc", 0.4),
    Target("million", "first byte of freeze -", None, 1.5, PLAIN, unit=" s"),
    Target("million", "first byte of freeze -", None, 700e6, PLAIN, "memory", " MB"),
]


def suits(target, host):
    return target.sort == ANY or (target.sort == REFLINK) == host["reflink"]


def value(target, case_results):
    """The number to judge, or None."""
    a, b = case_results.get(target.what), case_results.get(target.against)
    if not a or target.field not in a:
        return None
    if target.against is None:
        return a[target.field]
    return a["median"] / b["median"] if b and "median" in b else None


def verdicts(results):
    """(case, host, work, against, limit, number, verdict) for each target on each host where it counts; texts but for the verdict."""
    out = []
    for t in TARGETS:
        hosts = [h for h in results["hosts"] if suits(t, h)] or [None]
        for host in hosts:
            got = value(t, results["cases"].get((t.case, host["name"]), {})) if host else None
            scale = 1e6 if t.field == "memory" else 1
            number = "not measured" if got is None else f"{got / scale:.3g}{t.unit}"
            verdict = "-" if got is None else "met" if got <= t.limit else "missed"
            out.append((t.case, host["name"] if host else "-", t.what, t.against or t.field, f"{t.limit / scale:g}{t.unit}", number, verdict))
    return out
