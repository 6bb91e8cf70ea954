#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
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
