#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The command line itself: help, manual pages, completion, wrong usage, exit statuses, errors, JSON, names.
bats_require_minimum_version 1.5.0
load ../lib/common

setup() { enter_workdir; }
teardown() { leave_workdir; }

@test "cli: no command prints help on stderr and is wrong usage" {
    run --separate-stderr fccompose
    [ "$status" -eq 2 ]
    [ -z "$output" ]
    [[ $stderr == "Usage: fccompose"* ]]
}

@test "cli: --version, version and help succeed on stdout" {
    run --separate-stderr fccompose --version
    [ "$status" -eq 0 ]
    [[ $output =~ ^fccompose\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
    [ "$output" = "$(fccompose version)" ]
    run --separate-stderr fccompose --help
    [ "$status" -eq 0 ]
    [ -z "$stderr" ]
    [ "$output" = "$(fccompose help)" ]
}

@test "cli: every command in the help has a help and a manual page of its own" {
    local c
    for c in $(fccompose help | awk '/^  [a-z]+ / { print $1 }'); do
        run --separate-stderr fccompose "$c" --help
        [ "$status" -eq 0 ]
        [[ $output == "Usage: fccompose $c"* ]]
        [ "$output" = "$(fccompose help "$c")" ]
        fccompose help --man "$c" | grep -q "^.SH SYNOPSIS"
    done
    fccompose help layer add | grep -q -- "--at N"
    fccompose help --man | grep -q "^.SH NAME"
}

@test "cli: help --list names what help takes" {
    local c
    fccompose help --list >names
    grep -qx freeze names
    grep -qx "layer add" names
    while read -r c; do
        # shellcheck disable=SC2086
        [[ $(fccompose help $c) == "Usage: fccompose $c"* ]]
    done <names
}

@test "cli: manual pages format without a complaint" {
    need man
    run --separate-stderr bash -c '(echo; fccompose help --list) | while read -r c; do fccompose help --man $c | man --warnings -l - >/dev/null; done'
    [ "$status" -eq 0 ]
    [ -z "$stderr" ]
}

@test "cli: an unknown command is wrong usage and suggests the close one" {
    run fccompose frezze
    [ "$status" -eq 2 ]
    [[ $output == *"did you mean freeze?"* ]]
    run fccompose layer ad
    [ "$status" -eq 2 ]
    [[ $output == *"did you mean layer add?"* ]]
    run fccompose qqqqqqqq
    [ "$status" -eq 2 ]
    [[ $output != *"did you mean"* ]]
}

@test "cli: an unknown option is wrong usage and suggests the close one" {
    run fccompose freeze --labl x out.ext4
    [ "$status" -eq 2 ]
    [[ $output == "fccompose: unknown option --labl: did you mean --label?"* ]]
    run fccompose freeze -X out.ext4
    [ "$status" -eq 2 ]
    [[ $output == *"-X"* ]]
}

@test "cli: bad values are wrong usage" {
    local words
    for words in "freeze --size 1Q o" "freeze --free -1 o" "freeze --uuid zz o" "freeze --label 12345678901234567 o" \
        "freeze --inode-size 300 o" "freeze --reserved 90 o" "freeze --journal big o" "freeze --size" "freeze" \
        "mount -o nothing" "mount --own-as root" "chown root /x" "mknod /x q" "mknod /x c 1" "mkdir" "xattr" \
        "xattr set /x user.a 0xabc" "completion csh" "--progress=loud status" "write /a b c" "freeze a b" "init --owner 0 x"; do
        # shellcheck disable=SC2086
        run fccompose $words
        [ "$status" -eq 2 ] || { echo "$words: $status $output"; return 1; }
    done
}

@test "cli: wrong usage shows the right one" {
    run fccompose mv /a
    [ "$status" -eq 2 ]
    [ "${lines[0]}" = "fccompose: mv: an argument is missing after /a" ]
    [[ ${lines[1]} == *"usage: fccompose mv [OPTIONS] SOURCE... DEST" ]]
    [[ ${lines[2]} == *"more:  fccompose help mv" ]]
    run fccompose layer
    [ "$status" -eq 2 ]
    [[ $output == *"a command is missing"*"add|rm|ls|mv"* ]]
    run fccompose umount a b
    [ "$status" -eq 2 ]
    [[ $output == *"unexpected argument b"* ]]
}

@test "cli: a failure is exit 1, with what, why and the next step" {
    run --separate-stderr fccompose freeze out.ext4
    [ "$status" -eq 1 ]
    [ -z "$output" ]
    [[ $stderr == "fccompose: "*"init"* ]]
    run fccompose init missing.tar
    [ "$status" -eq 1 ]
    [[ $output == *missing.tar*"No such file"* ]]
    [ ! -e .fccompose ]
    run fccompose -C nowhere status
    [ "$status" -eq 1 ]
    [[ $output == *nowhere* ]]
}

@test "cli: a second init is refused" {
    fccompose -q init
    run fccompose init
    [ "$status" -eq 1 ]
    [[ $output == *"workspace already"* ]]
}

@test "cli: init goes on where a killed one ended, with a folder alone or no layers yet" {
    mkdir .fccompose
    fccompose -q init
    fccompose -q init builtin:busybox
    [ "$(fccompose ls -q / | wc -w)" -gt 3 ]
    run fccompose init builtin:busybox
    [ "$status" -eq 1 ]
    [[ $output == *"workspace already"*"layer add"* ]]
}

@test "cli: -C makes and enters the directory" {
    fccompose -q -C a/b init
    [ -e a/b/.fccompose/workspace.db ]
    fccompose -q -C a/b write /f text
    [ "$(fccompose -C a/b cat /f)" = text ]
}

@test "cli: quiet prints nothing, and no color comes through a pipe" {
    run fccompose -q init
    [ "$status" -eq 0 ]
    [ -z "$output" ]
    run bash -c 'fccompose help; fccompose frezze 2>&1'
    [[ $output != *$'\033'* ]]
}

@test "cli: completion code is valid shell and completes" {
    fccompose completion bash | bash -n
    run bash -c 'source <(fccompose completion bash); COMP_WORDS=(fccompose fre); COMP_CWORD=1; _fccompose; echo "${COMPREPLY[@]}"
        COMP_WORDS=(fccompose layer ""); COMP_CWORD=2; _fccompose; echo "${COMPREPLY[@]}"
        COMP_WORDS=(fccompose -q freeze --no); COMP_CWORD=3; _fccompose; echo "${COMPREPLY[@]}"'
    [ "${lines[0]}" = freeze ]
    [ "${lines[1]}" = "add rm ls mv" ]
    [[ ${lines[2]} == *--no-journal* ]]
    [[ $(fccompose completion zsh) == "#compdef fccompose"* ]]
    ! command -v zsh >/dev/null || fccompose completion zsh | zsh -n
    ! command -v fish >/dev/null || fccompose completion fish | fish -n
}

@test "cli: names are escaped in lines, raw with -z, reversible in JSON" {
    fccompose -q init
    local name=$'a\nb\\c\xff'
    fccompose -q write "/$name" x
    [ "$(fccompose diff --name-only | tail -n 1)" = '/a\x0ab\\c\xff' ]
    [ "$(fccompose diff --name-only -z | tail -z -n 1 | od -An -tx1 | tr -d ' \n')" = 2f610a625c63ff00 ]
    [ "$(fccompose diff --json | python3 -c 'import json,sys; print(json.load(sys.stdin)[-1]["path_hex"])')" = 2f610a625c63ff ]
    [ "$(fccompose ls / | tail -n 1)" = 'a\x0ab\\c\xff' ]
}

@test "cli: an error does not send control bytes to the terminal" {
    fccompose -q init
    run fccompose rm "/$(printf 'a\033[2Jb')"
    [ "$status" -eq 1 ]
    [[ $output != *$'\033'* ]]
}

@test "cli: diff --exit-code says whether anything changed" {
    fccompose -q init
    run fccompose diff --exit-code
    [ "$status" -eq 0 ]
    fccompose -q mkdir /a /b
    run fccompose diff --exit-code /a
    [ "$status" -eq 1 ]
    [ "$output" = "A /a/" ]
    run fccompose diff
    [ "$status" -eq 0 ]
}

@test "cli: a full disk on stdout is a failure, a closed pipe is quiet" {
    [ -e /dev/full ] || skip "no /dev/full"
    run bash -c 'fccompose help >/dev/full'
    [ "$status" -eq 1 ]
    [[ $output == *"No space"* ]]
    run bash -c 'fccompose completion zsh | true'
    [ -z "$output" ]
}

@test "cli: freeze refuses a terminal's words and tells the needed size" {
    fccompose -q init
    fccompose -q write /f x
    run fccompose freeze --size 64K out.ext4
    [ "$status" -eq 1 ]
    [[ $output == *"--size "*K* ]]
    [ ! -e out.ext4 ]
    run --separate-stderr fccompose freeze --json --no-sync out.ext4
    [ "$status" -eq 0 ]
    [ "$(python3 -c 'import json,sys; print(json.load(sys.stdin)["size"])' <<<"$output")" = "$(stat -c %s out.ext4)" ]
}

@test "cli: json progress is one object a line" {
    fccompose --progress=json init builtin:busybox 2>log
    grep '^{' log | python3 -c 'import json,sys
for line in sys.stdin: assert "event" in json.loads(line)'
    grep -q '"event":"end"' log
}

@test "cli: layer rm means the numbers that layer ls showed" {
    mkdir a b c
    for d in a b c; do echo $d >$d/$d; done
    fccompose -q init dir:a dir:b dir:c
    fccompose -q layer rm 0 1
    [ "$(fccompose ls /)" = c ]
    fccompose -q layer add --at 0 dir:a dir:b
    run fccompose layer rm 0 7
    [ "$status" -eq 1 ]
    [ "$(fccompose layer ls --json | python3 -c 'import json,sys; print(len(json.load(sys.stdin)))')" -eq 3 ]
}

@test "cli: xattr names that are no UTF-8 are in the JSON, too" {
    fccompose -q init
    fccompose -q write /f x
    fccompose -q xattr set /f $'user.\xff' value
    fccompose -q xattr set /f user.plain value
    [ "$(fccompose xattr ls --json /f | python3 -c 'import json,sys; print(sorted(json.load(sys.stdin)))')" = "['user.\\\\xff', 'user.plain']" ]
}

@test "cli: pull finds what was added from another directory" {
    mkdir -p l w/sub
    echo x >l/x
    tar -C l -cf l.tar x
    fccompose -q -C w init
    (cd w/sub && fccompose -q layer add ../../l.tar dir:../../l)
    rm -rf "$FCCOMPOSE_CACHE/layers"
    (cd w && fccompose -q pull)
    [ "$(fccompose -C w cat /x)" = x ]
    fccompose -q init dir:l
    rm -rf "$FCCOMPOSE_CACHE/layers"
    (cd w/sub && fccompose -q -C ../.. pull)
    cd w && rm -rf "$FCCOMPOSE_CACHE/layers"
    mkdir ../below && cd ../below
    fccompose -q pull
    [ "$(fccompose cat /x)" = x ]
}

@test "cli: root does not mount another user's workspace" {
    [ "$(id -u)" -eq 0 ] || skip "not root"
    mkdir w
    fccompose -q -C w init
    chown -R 65534:65534 w
    run env -u SUDO_UID fccompose -C w mount
    [ "$status" -eq 1 ]
    [[ $output == *"somebody else"*"user 65534"*"next: mount it as that user"* ]]
    [ ! -e w/rootfs ]
}

@test "cli: layers and operands of freeze keep the order that was typed" {
    mkdir a b
    echo a >a/f
    echo b >b/f
    fccompose -q freeze --no-sync -l dir:a dir:b ab.ext4
    fccompose -q freeze --no-sync -l dir:b -l dir:a ba.ext4
    [ "$(debugfs -R 'cat /f' ab.ext4 2>/dev/null)" = b ]
    [ "$(debugfs -R 'cat /f' ba.ext4 2>/dev/null)" = a ]
}
