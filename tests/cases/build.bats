#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# Recipes: what each step makes, what is done again after a change, and that the same recipe gives the same bytes.

load ../lib/common

setup() {
    enter_workdir
    mkdir -p base/etc base/bin base/var/doc/a r/files/sub
    printf 'root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/:/bin/sh\n' >base/etc/passwd
    printf 'root:x:0:\nstaff:x:50:\n' >base/etc/group
    echo keep >base/var/doc/b.txt
    tar -C base --owner=0 --group=0 --sort=name -cf base.tar .
    echo app >r/app
    echo a >r/files/a
    echo b >r/files/sub/b
    echo no >r/files/x.swp
    chmod 644 r/app r/files/a r/files/sub/b
    chmod 755 r/files r/files/sub
}
teardown() { leave_workdir; }

recipe() { # the steps come from standard input
    { printf 'version: 1\nlayers:\n  - tar: ../base.tar\nimage: {output: out.ext4}\nsteps:\n' && cat; } >r/fccompose.yaml
}

@test "every kind of step" {
    recipe <<'END'
  - mkdir: {path: /data/x, mode: 02750, owner: "app:1001", parents: true}
  - copy: {from: app, to: /usr/local/bin/, mode: 0755, owner: "app:staff"}
  - copy: {from: "files/*", to: /srv, exclude: ["*.swp"], owner: "7:8"}
  - copy: {from: files, to: /opt/files, exclude: [sub]}
  - write: {path: /etc/motd, text: "hello\n", mode: 0600}
  - write: {path: /etc/motd, text: "again\n", append: true}
  - symlink: {path: /etc/link, target: motd}
  - ln: {path: /etc/motd2, target: /etc/motd}
  - mknod: {path: /etc/null, type: c, major: 1, minor: 3, mode: 0666}
  - chmod: {path: /opt, mode: "u=rwx,go=", recursive: true}
  - chown: {path: /opt, owner: ":staff", recursive: true}
  - xattr: {path: /usr/local/bin/app, caps: cap_net_bind_service=ep}
  - xattr: {path: /etc/motd, name: user.x, value: v}
  - mv: {path: /var/doc/b.txt, to: /etc/b}
  - rm: {path: ["/var/d*/a"], recursive: true}
END
    fccompose -C r build
    cd r
    fccompose export -q ../out.tar
    e2fsck -fn out.ext4
    python3 - <<'END'
import tarfile
t = {m.name.removeprefix("./"): m for m in tarfile.open("../out.tar")}
def is_(name, mode, uid, gid):
    m = t[name]
    assert (m.mode, m.uid, m.gid, m.mtime) == (mode, uid, gid, 0), (name, oct(m.mode), m.uid, m.gid, m.mtime)
is_("data", 0o755, 0, 0)
is_("data/x", 0o2750, 1000, 1001)
is_("usr/local/bin/app", 0o755, 1000, 50)
is_("srv/a", 0o644, 7, 8)
is_("srv/sub/b", 0o644, 7, 8)
is_("opt/files/a", 0o700, 0, 50)
is_("opt", 0o700, 0, 50)
assert "srv/x.swp" not in t and "opt/files/sub" not in t and "var/doc/a" not in t and "etc/b" in t
is_("etc/motd", 0o600, 0, 0)
assert t["etc/link"].linkname == "motd" and t["etc/motd2"].islnk() and t["etc/null"].ischr()
assert t["etc/motd"].pax_headers["SCHILY.xattr.user.x"] == "v"
assert "SCHILY.xattr.security.capability" in t["usr/local/bin/app"].pax_headers
END
    [ "$(fccompose cat /etc/motd)" = "$(printf 'hello\nagain')" ]
}

@test "a change redoes what follows it, and no more; --dry-run says so and does nothing" {
    recipe <<'END'
  - mkdir: {path: /one}
  - copy: {from: app, to: /app}
  - write: {path: /two, text: x}
END
    fccompose -C r build --dry-run >plan
    grep -q '^\[1/3\] mkdir /one: to be done: it was not built before' plan
    [ ! -e r/.fccompose ]
    [ ! -e r/fccompose.lock.json ]
    fccompose -C r build 2>log
    [ "$(grep -c '^\[.*: done' log)" -eq 3 ]
    before=$(sha256sum <r/out.ext4)
    fccompose -C r build 2>log
    [ "$(grep -c CACHED log)" -eq 3 ]
    grep -q 'out.ext4: as it was' log
    touch r/app
    fccompose -C r build 2>log
    [ "$(grep -c CACHED log)" -eq 3 ]
    echo more >>r/app
    fccompose -C r build --dry-run >plan
    grep -q '^\[1/3\].*in the cache' plan
    grep -q '^\[2/3\].*to be done: the files have changed' plan
    grep -q '^\[3/3\].*follows' plan
    fccompose -C r build 2>log
    [ "$(grep -c CACHED log)" -eq 1 ]
    [ "$(fccompose -C r cat /app)" = "$(printf 'app\nmore')" ]
    [ "$(sha256sum <r/out.ext4)" != "$before" ]
    # Back again: the cache has it, the stack and the image follow.
    echo app >r/app
    fccompose -C r build 2>log
    [ "$(grep -c CACHED log)" -eq 3 ]
    [ "$(sha256sum <r/out.ext4)" = "$before" ]
    # A mode is an input, too.
    chmod 600 r/app
    fccompose -C r build --dry-run | grep -q '^\[2/3\].*to be done: the files have changed'
}

@test "elsewhere, with an empty cache, the same recipe gives the same bytes" {
    recipe <<'END'
  - mkdir: {path: /one}
  - copy: {from: files, to: /files}
  - write: {path: /one/two, text: x}
END
    fccompose -C r build
    cp r/out.ext4 first
    cp -r r other
    rm -rf other/.fccompose other/out.ext4
    touch -d 2001-02-03 other/files/a
    FCCOMPOSE_CACHE=$WORK/second fccompose -C other build --locked
    cmp first other/out.ext4
    fccompose -C r build --no-cache 2>log
    [ "$(grep -c '^\[.*: done' log)" -eq 3 ]
    cmp first r/out.ext4
}

@test "--locked fails when the lock would change" {
    recipe </dev/null
    sed -i 's/^steps:$/steps: []/' r/fccompose.yaml
    run fccompose -C r build --locked
    [ "$status" -eq 1 ]
    fccompose -C r build
    fccompose -C r build --locked
    echo new >base/etc/new
    tar -C base --owner=0 --group=0 --sort=name -cf base.tar .
    run fccompose -C r build --locked
    [ "$status" -eq 1 ]
    [[ $output == *fccompose.lock.json* ]]
    fccompose -C r build
    [ "$(fccompose -C r cat /etc/new)" = new ]
    fccompose -C r build --locked
}

@test "a layer below a path, and digests of layers" {
    cp base.tar again.tar
    sum=$(sha256sum <base.tar | cut -d ' ' -f 1) sum512=$(sha512sum <base.tar | cut -d ' ' -f 1)
    printf 'version: 1\nlayers:\n  - {tar: ../base.tar, sha256: %s, sha512: %s}\n  - {tar: ../again.tar, to: /below/it, owner: "5:6"}\n' \
        "$sum" "$sum512" >r/fccompose.yaml
    fccompose -C r build
    [ "$(fccompose -C r cat /below/it/var/doc/b.txt)" = keep ]
    fccompose -C r ls -l /below/it/var/doc | grep -q ' 5 *6 .*b.txt'
    fccompose -C r build --locked
    sed -i "s/$sum512/${sum512/[0-9a-f]/_}/; s/_/$([ "${sum512:0:1}" = 0 ] && echo 1 || echo 0)/" r/fccompose.yaml
    run fccompose -C r build
    [ "$status" -eq 1 ]
    [[ $output == *fccompose.yaml:3:5:*"not what the recipe says"* ]]
}

@test "an error names the place of its step, and leaves what is there as it is" {
    recipe <<'END'
  - write: {path: /a, text: a}
  - chown: {path: /a, owner: nobody}
END
    run fccompose -C r build
    [ "$status" -eq 1 ]
    [[ $output == *"fccompose.yaml:7:5: "*'"nobody"'* ]]
    [ ! -e r/out.ext4 ]
    [ "$(fccompose -C r layer ls | wc -l)" -le 1 ]
    [ -z "$(find "$FCCOMPOSE_CACHE/build" -name 'tmp-*')" ]
    recipe <<'END'
  - copy: {from: missing, to: /a}
END
    run fccompose -C r build
    [[ $output == *"fccompose.yaml:6:5: "*missing* ]]
}

@test "rm of a glob that matches nothing names force, with which it is no failure" {
    recipe <<'END'
  - rm: {path: "/none*"}
END
    run fccompose -C r build
    [ "$status" -eq 1 ]
    [[ $output == *"fccompose.yaml:6:5: "*'"/none*": nothing matches'*"force: true"* ]]
    sed -i 's/"}/", force: true}/' r/fccompose.yaml
    fccompose -C r build -q
}

@test "edits made by hand stay on top and are not in the image" {
    recipe <<'END'
  - write: {path: /a, text: a}
END
    fccompose -C r build
    cp r/out.ext4 first
    echo mine | fccompose -C r write /mine
    run fccompose -C r build
    [ "$status" -eq 0 ]
    [[ $output == *"edits made by hand"* ]]
    cmp first r/out.ext4
    recipe <<'END'
  - write: {path: /a, text: b}
END
    fccompose -C r build
    [ "$(fccompose -C r cat /mine)" = mine ]
    [ "$(fccompose -C r cat /a)" = b ]
    run fccompose cat -i r/out.ext4 /mine
    [ "$status" -eq 1 ]
}

@test "a cache that was lost is made again, also after a change of the recipe" {
    recipe <<'END'
  - write: {path: /a, text: a}
END
    fccompose -C r build
    rm -rf "$FCCOMPOSE_CACHE"
    run fccompose -C r cat /a
    [ "$status" -eq 1 ]
    [[ $output == *"fccompose build"* ]] || [[ $output == *"fccompose pull"* ]]
    recipe <<'END'
  - write: {path: /a, text: b}
END
    fccompose -C r build
    [ "$(fccompose -C r cat /a)" = b ]
    fccompose -C r fsck
    cp r/fccompose.lock.json lock
    fccompose -C r lock
    cmp lock r/fccompose.lock.json
}

@test "what a killed build left goes with the next; builders at the same time do not disturb each other" {
    recipe <<'END'
  - write: {path: /a, text: a}
  - write: {path: /b, text: b}
END
    mkdir -p "$FCCOMPOSE_CACHE/build/tmp-dead"
    cp -r r s
    fccompose -C r build & one=$!
    fccompose -C s build
    wait "$one"
    [ ! -e "$FCCOMPOSE_CACHE/build/tmp-dead" ]
    cmp r/out.ext4 s/out.ext4
}

@test "the file of dependencies names all that the image is made of" {
    need make
    recipe <<'END'
  - copy: {from: files, to: /files}
END
    printf 'out.ext4:\n\t@echo making\n\t@fccompose build -q -o out.ext4 --depfile out.d\n-include out.d\n' >r/Makefile
    [ "$(make -C r -s)" = making ]
    [ -z "$(make -C r -s)" ]
    sleep 0.1
    echo x >>r/files/sub/b
    [ "$(make -C r -s)" = making ]
}

@test "a recipe for two architectures gives an image for each" {
    recipe <<'END'
  - write: {path: /arch, text: x}
END
    sed -i '1a arch: [x86_64, aarch64]' r/fccompose.yaml
    run fccompose -C r build
    [ "$status" -eq 1 ]
    [[ $output == *"{arch}"* ]]
    fccompose -C r build --arch aarch64
    sed -i 's/out.ext4/"out-{arch}.ext4"/' r/fccompose.yaml
    fccompose -C r build
    [ -s r/out-x86_64.ext4 ]
    [ -s r/out-aarch64.ext4 ]
}

@test "edits as steps: building them gives the same tree" {
    mkdir -p base/sg base/d/e
    ln base/etc/passwd base/d/p
    ln -s passwd base/etc/l
    echo x >base/bin/x
    chmod 4755 base/bin/x
    chmod 2775 base/sg
    truncate -s 1M base/d/sparse
    echo end >>base/d/sparse
    tar -C base --owner=0 --group=0 --sort=name --sparse -cf base.tar .
    for seed in 1 2 3 4; do
        rm -rf w r && mkdir w r
        (cd w && fccompose init -q ../base.tar && PLAIN=1 python3 "$LIB/random-edits" verbs "$seed")
        fccompose -C w export -q "$WORK/want.tar"
        (cd r && fccompose -C ../w diff --as-steps --files ../r/files >"$WORK/steps")
        sed 's,"../r/files,"files,' steps | tail -n +2 | recipe
        [ "$(head -n 1 steps)" = steps: ] || sed -i 's/^steps:$/steps: []/' r/fccompose.yaml
        fccompose -C r build -q
        fccompose -C r export -q "$WORK/got.tar"
        "$LIB/tree-of-tar" want.tar >want
        "$LIB/tree-of-tar" got.tar >got
        diff -u want got
    done
}

@test "commands: secrets and caches are in no layer; a failed one shows its end and leaves nothing" {
    need_fuse
    need_root
    need_alpine
    echo s3cret >r/token
    printf 'version: 1\nlayers:\n  - tar: %s\nimage: {output: out.ext4}\nsteps:\n' "$ALPINE" >r/fccompose.yaml
    cat >>r/fccompose.yaml <<'END'
  - run: |
      wc -c < /run/secrets/token > /etc/seen
      echo x >> /var/cache/kept/x
      wc -l < /var/cache/kept/x > /etc/count
      echo $$FOO $$PWD $$(id -u) >> /etc/seen
      chown 1:2 /etc/count
    secret: {id: token, file: token}
    cache: [/var/cache/kept]
    env: {FOO: bar}
    workdir: /tmp
  - run: [sh, -c, 'id -u > /tmp/uid']
    user: nobody
END
    fccompose -C r build
    [ "$(fccompose -C r cat /etc/seen | tr -s ' \n' ' ')" = "7 bar /tmp 0 " ]
    fccompose -C r ls -l /etc/count | grep -q ' 1 *2 '
    run fccompose -C r ls /var/cache/kept
    [ "$status" -eq 1 ]
    ! grep -q s3cret r/out.ext4
    fccompose -C r build 2>log
    [ "$(grep -c CACHED log)" -eq 2 ]
    echo other! >r/token
    fccompose -C r build --dry-run | grep -q '^\[1/2\].*a secret has changed'
    fccompose -C r build
    [ "$(fccompose -C r cat /etc/count)" = 2 ]
    cp r/out.ext4 before
    printf '  - run: "echo first; echo last words; exit 7"\n' >>r/fccompose.yaml
    run fccompose -C r build
    [ "$status" -eq 1 ]
    [[ $output == *"last words"*"fccompose.yaml:"*"status 7"* ]]
    cmp before r/out.ext4
    [ -z "$(find "$FCCOMPOSE_CACHE/build" -name 'tmp-*')" ]
}

@test "an example is a recipe that builds, in the source tree and installed" {
    need busybox
    run fccompose init -C one --example nothing
    [ "$status" -eq 1 ]
    [[ $output == *busybox* ]]
    fccompose init -C one --example busybox
    run fccompose init -C one --example busybox
    [ "$status" -eq 1 ]
    fccompose -C one build --set NAME=box
    [ "$(fccompose cat -i one/busybox.ext4 /etc/hostname)" = box ]
    make -s -C "$ROOT" B="$B" PREFIX=/usr DESTDIR="$WORK/dest" install
    "$WORK/dest/usr/bin/fccompose" init -C two --example busybox
    cmp one/fccompose.yaml two/fccompose.yaml
}
