#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# The benchmarks run, tell what they skip, and leave nothing; no time is judged.
load ../lib/common

setup() {
    need hyperfine time python3 gzip
    enter_workdir
}
teardown() { [ -z "${WORK:-}" ] || leave_workdir; }

@test "bench: one case with two peers gives a table, targets and JSON, and leaves only its inputs" {
    B=$B run "$ROOT/tests/bench/freeze" --work bench --only alpine --host here --peer fccompose --peer cp --runs 2 --json out.json
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"fccompose, one file changed"* && $output == *"Targets"* && $output == *"not measured"* ]]
    python3 -c '
import json
[case] = json.load(open("out.json"))["cases"]
for peer in ("fccompose", "cp", "fccompose, cold .tar.gz"):
    assert case["results"][peer]["runs"] == 2 and case["results"][peer]["median"] > 0, peer'
    [ "$(ls bench)" = inputs ]
}

@test "bench: made-up trees are tars that GNU tar reads, of the promised sizes" {
    "$ROOT/tests/bench/make-input" small small.tar
    [ "$(tar -tf small.tar | grep -vc '/$')" -eq 300000 ]
    [ "$(tar -tf small.tar | grep -c '^many/.')" -eq 50000 ]
}

@test "bench: the mount and a peer over a tiny tree, each row seen to be done, and only the inputs stay" {
    need_root
    need_fuse
    need gcc pkg-config fusermount3
    B=$B run "$ROOT/tests/bench/live" --work bench --only tiny --peer fccompose --peer overlayfs --runs 1 --json out.json
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"full walk with stat, warm"* && $output == *"Targets"* && $output == *"not measured"* ]]
    python3 -c '
import json
rows = json.load(open("out.json"))["tiny"]
assert len(rows) == 18, rows.keys()
for name, row in rows.items():
    # Caches cannot be dropped in every container.
    ours = row["fccompose"]
    assert ours.get("median", 0) > 0 or "cannot be dropped" in ours["skip"], (name, ours)
assert rows["walk-warm"]["fccompose"]["memory"] > 0
assert rows["untar"]["fccompose"]["cpu"] > 0'
    [ "$(cd bench && echo *)" = "inputs tools" ]
}

@test "bench: a peer that answers something else than the others is not measured" {
    python3 - "$ROOT/tests/bench/live" <<'END'
import runpy, sys, types
sys.path.insert(0, sys.argv[1].rsplit("/", 1)[0])
from bench import live_measure
text = open(sys.argv[1]).read().replace("\nmain()\n", "\n")
live = types.ModuleType("live")
live.__file__ = sys.argv[1]
exec(compile(text, sys.argv[1], "exec"), live.__dict__)
series = {}
for name, said in (("a", "8 files"), ("b", "8 files"), ("c", "7 files")):
    series[name] = live_measure.Series(lambda check, said=said: (1.0, 0, 0, None, said))
    series[name].round(1, 60, False)
got = {n: s.result() for n, s in live.agreed(series).items()}
assert got["a"]["median"] == 1 and "7 files" in got["c"]["skip"], got
END
}

@test "bench: imports of ten tiny layers by all who are here, each seen to be right, and only the inputs stay" {
    need tar
    B=$B run "$ROOT/tests/bench/import" --work bench --only tiny --runs 1 --json out.json
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"umoci unpack"* && $output == *"Targets"* && $output == *"not measured"* ]]
    python3 -c '
import json
case = json.load(open("out.json"))["tiny"]
assert len(case) == 11, case.keys()
for name in ("fccompose, .tar.gz", "fccompose, oci:DIR", "fccompose, http://", "fccompose, .tar.gz, second time", "tar -xzf", "gzip -dc"):
    assert case[name]["median"] > 0 and case[name]["runs"] == 1, (name, case[name])
assert 0 < case["fccompose, oci:DIR"]["index"] < case["fccompose, oci:DIR"]["memory"] < 100e6'
    [ "$(ls bench)" = inputs ]
}

@test "bench: an import that leaves something else than the layers of the image is not measured" {
    mkdir b
    printf '#!/bin/sh\ncase "$*" in pull*oci:*) exit 0 ;; esac\nexec "%s" "$@"\n' "$B/fccompose" >b/fccompose
    chmod +x b/fccompose
    B=$PWD/b run "$ROOT/tests/bench/import" --work bench --only tiny --peer 'fccompose, oci' --runs 1
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"not measured: fccompose, oci:DIR: what it left is wrong"* ]]
}
