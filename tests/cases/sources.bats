#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# Layers that must be fetched: distributions by name, URLs, mirrors, signatures, and what happens when it goes wrong.
load ../lib/common

setup_file() {
    can 'need_commands_of_sources' || return 0
    export SOURCES
    SOURCES=$(mktemp -d "${TMPDIR:-/tmp}/fc-sources-XXXXXX")
    "$BATS_TEST_DIRNAME/../lib/make-catalogue" "$SOURCES/made"
}
teardown_file() { [ -z "${SOURCES:-}" ] || rm -rf "$SOURCES"; }
need_commands_of_sources() { need python3 gpg gpgv openssl; }

setup() {
    need_commands_of_sources
    enter_workdir
    unset http_proxy https_proxy all_proxy no_proxy SSL_CERT_FILE FCCOMPOSE_MIRROR FCCOMPOSE_REWRITE FCCOMPOSE_OFFLINE
    export XDG_CONFIG_HOME=$WORK/config
    cp -r "$SOURCES/made/www" "$SOURCES/made/config" .
    serve www
    sed -i "s/PORT/$PORT/" config/fccompose/config.yaml
    mkdir src
    head -c 400000 /dev/urandom >src/noise
    tar -C src -cf www/plain.tar .
    gzip -c www/plain.tar >www/plain.tar.gz
}
teardown() {
    [ -z "${SERVER_PID:-}" ] || kill "$SERVER_PID" 2>/dev/null || true
    leave_workdir
}

# serve DIR [OPTION...]: a server until the test ends; sets PORT and URL.
serve() {
    mkfifo "stdin-$1"
    "$LIB/http-server" "$@" <"stdin-$1" >"port-$1" 3>&- &
    SERVER_PID=$!
    exec 7>"stdin-$1"
    while [ ! -s "port-$1" ]; do sleep 0.05; kill -0 "$SERVER_PID"; done
    PORT=$(cat "port-$1")
    URL=http://127.0.0.1:$PORT
}
requests() { grep -c -- "$1" www/requests || true; }

@test "a distribution by name, and the second time without a network" {
    fccompose -C one init alpine:3.20/x86_64
    [ "$(fccompose -C one cat /etc/made)" = "alpine 3.20.8 x86_64" ]
    [ -f cache/oci/oci-layout ]
    kill "$SERVER_PID" && wait "$SERVER_PID" || true
    fccompose -C two init --offline alpine:3.20/x86_64
    cmp <(fccompose -C one freeze -q -) <(fccompose -C two freeze -q -)
    # Also without being told that there is none: with a warning.
    fccompose -C three init alpine:3.20/x86_64 2>err
    grep -q 'warning: .*using what the cache has' err
    run fccompose -C four init --offline ubuntu:24.04/amd64
    [ "$status" -eq 1 ]
    [[ $output == *SHA256SUMS*"not in the cache"*--offline* ]]
    [ ! -e four/.fccompose ]
}

@test "architectures: under any name, and recorded so that pull finds the same" {
    fccompose -C ws init -q --arch arm64 alpine:3.20
    [ "$(fccompose -C ws cat /etc/made)" = "alpine 3.20.8 aarch64" ]
    fccompose -C ws layer ls | grep -q 'alpine:3.20  (alpine:3.20/arm64)'
    rm -rf cache/layers
    fccompose -C ws pull
    [ "$(fccompose -C ws cat /etc/made)" = "alpine 3.20.8 aarch64" ]
}

@test "every command that takes a layer takes names and URLs" {
    fccompose freeze -q -l "$URL/plain.tar.gz" a.ext4
    fccompose freeze -q -l www/plain.tar b.ext4
    cmp a.ext4 b.ext4
    fccompose -C ws init -q
    fccompose -C ws layer add -q "$URL/plain.tar.gz" freebsd:14/amd64
    fccompose -C ws ls / | grep -q noise
    [ "$(fccompose cat -q -l debian:12-slim/amd64 /etc/made)" = "debian bookworm/slim amd64" ]
    fccompose ls -q --layer amazonlinux:2023/x86_64 /etc | grep -q made
    fccompose export -q -l "file://$PWD/www/plain.tar" - | tar -tf - | grep -q noise
    d=$(fccompose pull -q ubuntu:24.04/amd64)
    [ "$(fccompose cat -q -l "$d" /etc/made)" = "ubuntu 24.04.10 amd64" ]
}

@test "ls-remote lists names, and releases with date and size" {
    fccompose ls-remote | grep -q '^alpine '
    fccompose ls-remote --arch amd64 ubuntu | grep -qE '^ubuntu:24.04 +24.04.10 +20[0-9-]+ +[0-9]+ bytes$'
    fccompose ls-remote --json alpine | python3 -c 'import json,sys; l=json.load(sys.stdin); assert l[1]["locator"] == "alpine:3.20" and l[1]["size"] > 0 and l[1]["date"] == "2025-10-08", l'
    fccompose ls-remote --arch amd64 --offline ubuntu | grep -q '^ubuntu:24.04 '
    run fccompose ls-remote --offline freebsd
    [ "$status" -eq 1 ]
    run fccompose ls-remote fedora
    [ "$status" -eq 1 ]
    [[ $output == *"fedora is no distribution"* ]]
}

@test "a file that is not what the index says: both digests are named, and nothing stays" {
    gzip -c www/plain.tar >www/freebsd/releases/amd64/amd64/14.3-RELEASE/base.txz
    run fccompose -C ws init freebsd:14.3/amd64
    [ "$status" -eq 1 ]
    want=$(sed -n 's/^base.txz\t\([0-9a-f]*\).*/\1/p' www/freebsd/releases/amd64/amd64/14.3-RELEASE/MANIFEST)
    is=$(sha256sum <www/freebsd/releases/amd64/amd64/14.3-RELEASE/base.txz | cut -d' ' -f1)
    [[ $output == *"$is"*"not"*"$want"* ]] || { echo "$output"; return 1; }
    [ ! -e "cache/oci/blobs/sha256/$is" ]
    [ -z "$(ls cache/oci/.parts)" ]
    [ -z "$(find cache/layers -mindepth 1 -maxdepth 1 -name '[0-9a-f]*')" ]
}

@test "signatures: of an index, of a file, missing, wrong" {
    fccompose pull -q --require-signature alpine:3.20/x86_64 ubuntu:24.04/amd64
    run fccompose pull --require-signature debian:12/amd64
    [ "$status" -eq 1 ]
    [[ $output == *"signs nothing"* ]]
    mkdir other
    FCCOMPOSE_CONFIG=$XDG_CONFIG_HOME/fccompose/config.yaml XDG_CONFIG_HOME=$PWD/other run fccompose pull ubuntu:24.04/amd64
    [ "$status" -eq 0 ]
    [[ $output == *"warning"*"no keyring"* ]]
    echo >>www/ubuntu/releases/24.04/release/SHA256SUMS
    run fccompose pull ubuntu:24.04/amd64
    [ "$status" -eq 1 ]
    [[ $output == *"signature of ubuntu:24.04 is not a good one"* ]]
}

@test "Ctrl-C leaves a part that the next run goes on with, and nothing else" {
    echo '{"hang": 60, "hang_after": 100000}' >www/plain.tar.behave
    # A job of a shell without job control ignores SIGINT: so in a session of its own.
    python3 - "$URL/plain.tar" <<'PY'
import os, signal, subprocess, sys, time
p = subprocess.Popen(["fccompose", "-C", "ws", "init", sys.argv[1]], stderr=subprocess.DEVNULL, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
parts = "cache/oci/.parts"
while not os.path.isdir(parts) or not any(os.path.getsize(f"{parts}/{f}") == 100000 for f in os.listdir(parts)):
    time.sleep(0.05)
p.send_signal(signal.SIGINT)
assert p.wait() == -signal.SIGINT, p.returncode
PY
    [ "$(find cache -type f | grep -vE 'oci-layout|index.json|/\.lock$' | sed 's/.*oci//; s/[0-9a-f]\{64\}/KEY/' | sort | xargs)" = "/.parts/KEY /.parts/KEY.from" ]
    [ ! -e ws/.fccompose ]
    rm www/plain.tar.behave
    fccompose -C ws init -q "$URL/plain.tar"
    [ "$(requests 'bytes=100000-')" -eq 1 ]
    cmp <(fccompose -C ws cat /noise) src/noise
}

@test "a server that breaks off in the middle: the import goes on with the rest" {
    echo '{"cut": 150000, "times": 2}' >www/plain.tar.gz.behave
    fccompose -C ws init -q "$URL/plain.tar.gz"
    cmp <(fccompose -C ws cat /noise) src/noise
    [ "$(requests plain.tar.gz)" -eq 3 ]
}

@test "several at once" {
    cp www/plain.tar.gz www/second.tar.gz
    echo more >src/more && tar -C src -czf www/second.tar.gz more
    echo '{"after": "second.tar.gz"}' >www/plain.tar.gz.behave
    fccompose -C ws init -q "$URL/plain.tar.gz" "$URL/second.tar.gz"
    [ "$(fccompose -C ws cat /more)" = more ]
}

@test "two processes that want the same at once transfer it once; one that was killed is in nobody's way" {
    base=www/freebsd/releases/amd64/amd64/14.3-RELEASE/base.txz
    echo '{"hang": 60, "hang_after": 100}' >$base.behave
    fccompose pull -q freebsd:14.3/amd64 >/dev/null 2>&1 3>&- & a=$!
    for _ in $(seq 200); do [ -z "$(find cache/oci/.parts -type f -size +0 ! -name '*.from' 2>/dev/null)" ] || break; sleep 0.05; done
    kill -9 $a && wait $a || true
    echo '{"hang": 1, "hang_after": 50}' >$base.behave
    fccompose pull -q freebsd:14.3/amd64 >one 3>&- & a=$!
    fccompose pull -q freebsd:14.3/amd64 >two
    wait $a
    cmp one two
    [ "$(requests 'base.txz')" -eq 2 ]
    [ "$(requests 'bytes=100-')" -eq 1 ]
}

@test "mirrors: by option, environment and configuration; the original last, or never" {
    mkdir www/mirror
    cp www/plain.tar www/mirror/
    M=http://127.0.0.1:1
    fccompose pull -q --mirror "$M/=$URL/none/" --mirror "$M/=$URL/mirror/" $M/plain.tar
    rm -r cache
    fccompose pull -q --mirror "$URL/=$M/" "$URL/plain.tar"
    rm -r cache
    run fccompose pull -q --rewrite "$URL/=$URL/none/" "$URL/plain.tar"
    [ "$status" -eq 1 ]
    [[ $output == *none/plain.tar*404* ]]
    # A mirror whose file is damaged: what was imported of it is thrown away.
    mkdir -p www/bad/releases/amd64/amd64/14.3-RELEASE
    head -c 150 www/freebsd/releases/amd64/amd64/14.3-RELEASE/base.txz >www/bad/releases/amd64/amd64/14.3-RELEASE/base.txz
    head -c 300000 /dev/urandom >>www/bad/releases/amd64/amd64/14.3-RELEASE/base.txz
    d=$(fccompose pull -q --mirror "https://download.freebsd.org/=$URL/bad/" freebsd:14.3/amd64)
    [ "$(fccompose cat -q -l "$d" /etc/made)" = "freebsd 14.3-RELEASE amd64/amd64" ]
    [ "$(requests '"path": "/bad/releases/amd64/amd64/14.3-RELEASE/base.txz"')" -eq 1 ]
    [ -z "$(ls cache/oci/.parts)" ]
    rm -r cache
    FCCOMPOSE_REWRITE="http://a.invalid/=$URL/none/ $M/=$URL/mirror/" fccompose pull -q $M/plain.tar
    rm -r cache
    printf 'mirrors:\n  %s/: [%s/none/, %s/mirror/]\n' $M "$URL" "$URL" >>config/fccompose/config.yaml
    fccompose pull -q $M/plain.tar
    run fccompose pull --mirror nonsense "$URL/plain.tar"
    [ "$status" -eq 2 ]
    printf 'offline: maybe\n' >bad.yaml
    FCCOMPOSE_CONFIG=bad.yaml run fccompose pull "$URL/plain.tar"
    [ "$status" -eq 1 ]
    [[ $output == *"bad.yaml, line 1: expected true or false"* ]]
    printf '# a comment\nofline: true\n' >bad.yaml
    FCCOMPOSE_CONFIG=bad.yaml run fccompose pull "$URL/plain.tar"
    [[ $output == *"bad.yaml, line 2: unknown setting ofline: did you mean offline"* ]]
}

@test "a proxy from the environment" {
    http_proxy=$URL fccompose pull -q http://files.invalid/plain.tar
    [ "$(requests '"path": "http://files.invalid/plain.tar"')" -eq 1 ]
    rm -r cache
    http_proxy=$URL no_proxy=files.invalid run fccompose pull -q http://files.invalid/plain.tar
    [ "$status" -eq 1 ]
}

@test "TLS: an unknown authority is refused, a known one trusted, and nobody is led out of it" {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out cert.pem -days 2 \
        -subj /CN=localhost -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' 2>/dev/null
    plain=$URL
    kill "$SERVER_PID"
    cp -r www tls
    serve tls --tls cert.pem key.pem
    URL=https://127.0.0.1:$PORT
    run fccompose pull -q "$URL/plain.tar"
    [ "$status" -eq 1 ]
    [[ $output == *"certificate is not trusted"*SSL_CERT_FILE* ]]
    SSL_CERT_FILE=$PWD/cert.pem fccompose pull -q "$URL/plain.tar"
    rm -r cache
    printf 'insecure: [127.0.0.1:%s]\n' "$PORT" >some.yaml
    FCCOMPOSE_CONFIG=some.yaml fccompose pull -q "$URL/plain.tar"
    printf '{"redirect": "%s/plain.tar"}' "$plain" >tls/out.behave
    SSL_CERT_FILE=$PWD/cert.pem run fccompose pull -q "$URL/out"
    [ "$status" -eq 1 ]
    [[ $output == *"not encrypted"* ]]
}

@test "a password in a URL is used, and neither shown nor stored" {
    echo '{"auth": "me:PASSWORD"}' >www/plain.tar.behave
    run fccompose -C ws init "http://me:PASSWORD@127.0.0.1:$PORT/plain.tar"
    [ "$status" -eq 0 ] || { echo "$output"; return 1; }
    [[ $output != *PASSWORD* ]]
    if grep -r PASSWORD ws cache; then return 1; fi
    run fccompose -C ws status
    [[ $output != *PASSWORD* ]]
    run fccompose -C other init "http://me:WRONGWORD@127.0.0.1:$PORT/plain.tar?signature=QUERY"
    [ "$status" -eq 1 ]
    [[ $output != *WRONGWORD* && $output != *QUERY* && $output == *"status 401"* ]]
}

@test "what a URL gives that is no tar" {
    echo "<html>hello</html>" >www/page.tar
    run fccompose -C ws init "$URL/page.tar"
    [ "$status" -eq 1 ]
    [ ! -e ws/.fccompose ]
    run fccompose -C ws init "$URL/none.tar"
    [[ $output == *"no such file (status 404)"* ]]
    run fccompose -C ws init ftp://127.0.0.1/x
    [ "$status" -eq 1 ]
}
