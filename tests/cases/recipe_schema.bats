# SPDX-License-Identifier: Apache-2.0
# The JSON Schema that is printed and the program that reads recipes agree, judged by python's jsonschema.

load ../lib/common

setup() {
    enter_workdir
    RECIPES=$ROOT/tests/data/recipes
}
teardown() { leave_workdir; }

need_judge() { python3 -c 'import jsonschema, yaml; jsonschema.Draft202012Validator' 2>/dev/null || skip "python3-jsonschema is not installed"; }

# split KIND: the documents of that file as one file each.
split() { csplit -sz -f "$1-" "$RECIPES/$1.yaml" '/^---$/' '{*}'; }

@test "the program reads what is good and refuses what is bad, each with its place" {
    split good
    split bad
    for f in good-*; do
        fccompose schema --check "$f" || return 1
    done
    for f in bad-*; do
        run fccompose -q schema --check "$f"
        [ "$status" -eq 1 ] || { cat "$f"; return 1; }
        [[ $output =~ ^"fccompose: $f:"[0-9]+:[0-9]+": " ]] || { echo "$output"; return 1; }
    done
    [ "$(find . -name 'good-*' | wc -l)" -ge 6 ]
    [ "$(find . -name 'bad-*' | wc -l)" -ge 60 ]
}

@test "another validator says the same by the schema" {
    need_judge
    fccompose schema >schema.json
    for kind in good bad; do
        "$LIB/judge-recipes" schema.json "$RECIPES/$kind.yaml" >"$kind.said"
        run grep -nv "^$kind" "$kind.said"
        [ "$status" -eq 1 ] || { echo "$output"; return 1; }
    done
    [ "$(wc -l <good.said)" -ge 6 ]
    [ "$(wc -l <bad.said)" -ge 60 ]
}

@test "the schema is the same each time and describes every key" {
    fccompose schema >a.json
    fccompose schema >b.json
    cmp a.json b.json
    # Every property has words of its own.
    python3 - a.json <<'END'
import json, sys
def walk(o):
    if isinstance(o, dict):
        for name, p in o.get("properties", {}).items() if isinstance(o.get("properties"), dict) else ():
            assert p.get("description"), name
            yield name
        for v in o.values():
            yield from walk(v)
    elif isinstance(o, list):
        for v in o:
            yield from walk(v)
names = list(walk(json.load(open(sys.argv[1]))))
assert len(names) > 100, len(names)
END
}

@test "every problem is said on a line of its own; as JSON they are a list" {
    printf 'laers: []\nsteps:\n  - chmod: {path: /a, mode: 644}\n' >r.yaml
    run fccompose schema --check r.yaml
    [ "$status" -eq 1 ]
    [ "${lines[0]}" = "r.yaml:1:1: recipe: unknown key laers: did you mean layers?" ]
    [[ ${lines[1]} == "r.yaml:3:29: mode: 644: write octal digits with a 0 in front, as 0644: "* ]]
    [ "${lines[2]}" = "fccompose: r.yaml: 2 problems" ]
    fccompose --json schema --check r.yaml 2>/dev/null | python3 -c 'import json, sys; assert len(json.load(sys.stdin)) == 2'
}

@test "values of args come from the command line; standard input is a recipe, too" {
    printf 'args: {V: }\nlayers: ["alpine:${V}"]\n' >r.yaml
    run fccompose schema --check r.yaml
    [ "$status" -eq 1 ]
    [[ $output == *'${V} has no value: give it one with --set V='* ]]
    fccompose schema --check r.yaml --set V=3.20
    fccompose schema --check - --set V=3.20 <r.yaml
    run fccompose schema --check r.yaml --set W=1
    [ "$status" -eq 1 ]
    [[ $output == *"--set W=1: the args of r.yaml declare no such name"* ]]
    run fccompose schema --set V=1
    [ "$status" -eq 2 ]
}
