#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Layers from every kind of source, told by magic; the cache; bad input.
load ../lib/common

setup() {
    enter_workdir
    mkdir -p src/dir
    echo content >src/dir/file
    ln src/dir/file src/dir/hard
    ln -s file src/dir/symbolic
    truncate -s 1M src/sparse
    printf end >>src/sparse
    tar --owner=7 --group=8 --numeric-owner -C src -cf plain.tar .
}
teardown() { leave_workdir; }

@test "compressions by magic and not by name give one layer" {
    need zstd xz bzip2
    gzip -c plain.tar >a.zip
    { head -c 5000 plain.tar | gzip; tail -c +5001 plain.tar | gzip; } >members.dat
    { head -c 5000 plain.tar | zstd; printf '\x50\x2a\x4d\x18\x04\x00\x00\x00skip'; tail -c +5001 plain.tar | zstd; } >frames.txt
    xz -c plain.tar >b
    bzip2 -c plain.tar >c
    for f in plain.tar a.zip members.dat frames.txt b c; do
        fccompose freeze -q -l "$f" "image-$f" || { echo "$f"; return 1; }
        cmp image-plain.tar "image-$f"
    done
    for f in a.zip members.dat; do
        FCCOMPOSE_INFLATE=zlib FCCOMPOSE_CACHE=$PWD/other fccompose freeze -q -l "$f" image-zlib
        cmp image-plain.tar image-zlib
        rm -r other
    done
    [ "$(find cache/layers -mindepth 1 -maxdepth 1 -name '[0-9a-f]*' | wc -l)" -eq 1 ]
}

@test "tar forms: v7, ustar, GNU and PAX hold the same tree" {
    mkdir expected
    for form in v7 oldgnu gnu ustar pax; do
        tar --format=$form --owner=7 --group=8 --numeric-owner --mtime=@1000000000 --sort=name -C src -cf $form.tar .
        fccompose export -q -l $form.tar $form.out.tar
        tar --numeric-owner -tvf $form.out.tar >$form.list
        cmp v7.list $form.list
    done
}

@test "sparse forms keep their holes" {
    need_root
    need_loop
    for v in 0.0 0.1 1.0; do tar --format=pax --sparse --sparse-version=$v -C src -cf sparse-$v.tar sparse; done
    tar --format=gnu --sparse -C src -cf sparse-old.tar sparse
    for f in sparse-*.tar; do
        fccompose freeze -q -l $f image.ext4
        fsck_clean image.ext4
        image_manifest image.ext4 m.txt
        grep -q '^sparse .*data=256-257' m.txt || { cat m.txt; return 1; }
    done
}

@test "standard input, and a directory with owners of its own" {
    fccompose init -q - <plain.tar
    fccompose ls -l /dir/file | grep -q '7.*8'
    mkdir other && cd other
    fccompose init -q --owner 5:6 --exclude '*.tmp' "dir:$WORK/src"
    fccompose ls -l /dir/file | grep -q '5.*6'
}

@test "a second import recognises the compressed file without decompressing" {
    need strace
    gzip -9 -c plain.tar >p.tar.gz
    fccompose init -q p.tar.gz
    mkdir two && cp p.tar.gz two/renamed && cd two
    # A leak check cannot run under a tracer.
    ASAN_OPTIONS=detect_leaks=0 strace -f -o trace fccompose init -q renamed
    ! grep -q 'layers/.tmp' trace
}

@test "two importers at once give one layer" {
    need_minbase
    fccompose freeze -q -l "$MINBASE" one.ext4 & a=$!
    fccompose freeze -q -l "$MINBASE" two.ext4 & b=$!
    wait $a
    wait $b
    cmp one.ext4 two.ext4
    [ "$(find cache/layers -mindepth 1 -maxdepth 1 -name '[^.]*' -o -name '.tmp*' | wc -l)" -eq 1 ]
}

@test "a killed import leaves no layer" {
    need_minbase
    fccompose freeze -q -l "$MINBASE" one.ext4 & p=$!
    sleep 0.15
    kill -KILL $p
    wait $p || true
    [ ! -e one.ext4 ]
    fccompose freeze -q -l "$MINBASE" one.ext4
    [ "$(find cache/layers -mindepth 1 -maxdepth 1 -name '[^.]*' -o -name '.tmp*' | wc -l)" -eq 1 ]
}

# bad NAME: the import of NAME fails with status 1 and words that name it, and leaves nothing in the cache.
bad() {
    run fccompose freeze -q -l "$1" bad.ext4
    [ "$status" -eq 1 ] || { echo "status $status: $output"; return 1; }
    [[ $output == *"$1"* ]] || { echo "$output"; return 1; }
    [ ! -e bad.ext4 ]
    [ -z "$(find cache/layers -mindepth 1 -maxdepth 1 -name '[0-9a-f]*' 2>/dev/null)" ]
}

@test "bad input is refused with words: not a tar, cut short, junk" {
    head -c 1000 /dev/urandom >noise
    bad noise
    head -c 2500 plain.tar >cut.tar
    bad cut.tar
    gzip -c plain.tar | head -c 300 >cut.tar.gz
    bad cut.tar.gz
    FCCOMPOSE_INFLATE=zlib bad cut.tar.gz
    bad no-such-file.tar
}

@test "hostile names are refused or stay inside: .., absolute, through a symlink" {
    need python3
    python3 - <<'PY'
import io, tarfile
def make(name, *entries):
    with tarfile.open(name, "w") as t:
        for path, kind, link, data in entries:
            i = tarfile.TarInfo(path); i.type = kind; i.linkname = link; i.size = len(data)
            t.addfile(i, io.BytesIO(data))
F, S, L, D = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE
make("dotdot.tar", ("../../escaped", F, "", b"x"))
make("absolute.tar", ("/etc/inside", F, "", b"x"))
make("symlink.tar", ("out", S, "/../../../tmp", b""), ("out/fc-escaped", F, "", b"x"))
make("dangling.tar", ("first", F, "", b""), ("link", L, "nowhere", b""))
make("cycle.tar", ("a", L, "b", b""), ("b", L, "a", b""))
make("deep.tar", ("/".join(["d"] * 10000) + "/f", F, "", b"x"))
PY
    bad dotdot.tar
    fccompose freeze -q -l absolute.tar a.ext4
    [ "$(debugfs -R 'cat /etc/inside' a.ext4 2>/dev/null)" = x ]
    rm -rf cache
    fccompose freeze -q -l symlink.tar s.ext4
    [ "$(debugfs -R 'cat /tmp/fc-escaped' s.ext4 2>/dev/null)" = x ]
    [ ! -e /tmp/fc-escaped ]
    fccompose freeze -q -l deep.tar d.ext4
    fsck_clean d.ext4
    for f in dangling cycle; do
        run fccompose freeze -q -l $f.tar l.ext4
        [ "$status" -eq 1 ]
        [ ! -e l.ext4 ]
    done
    # Only the fold knows that nothing is there; the words still name layer, entry and place.
    run fccompose freeze -q -l dangling.tar l.ext4
    [[ $output == *'layer '*'/link: at offset 512: '*'hard link'* ]]
}

@test "layer add, mv, rm, ls" {
    fccompose init -q builtin:busybox
    fccompose layer add -q plain.tar
    fccompose layer add -q --at 1 "dir:src"
    fccompose layer ls
    [ "$(fccompose --json layer ls | python3 -c 'import json,sys; print(len(json.load(sys.stdin)))')" = 3 ]
    fccompose layer mv 2 1
    [[ $(fccompose layer ls | sed -n 3p) == *plain.tar* ]]
    fccompose layer rm 2
    run fccompose layer rm 9
    [ "$status" -ne 0 ]
    [ "$(fccompose --json layer ls | python3 -c 'import json,sys; print(len(json.load(sys.stdin)))')" = 2 ]
}
