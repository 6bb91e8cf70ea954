#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# Recipes whose steps run commands: as an ordinary user the image of root's build, and nothing left of a build that was killed.

load ../lib/common

setup() {
    need_root
    need_fuse
    need_alpine
    enter_workdir
}
teardown() { [ -z "${WORK:-}" ] || leave_workdir; }

recipe() { # FOLDER; the steps come from standard input
    mkdir -p "$1"
    cp "$ALPINE" "$1/alpine.tar.gz"
    { printf 'version: 1\nlayers: [{tar: alpine.tar.gz}]\nimage: {output: out.ext4}\nsteps:\n' && cat; } >"$1/fccompose.yaml"
}

steps='
  - run: |
      mkdir -p /srv/a
      echo x >/srv/a/x
      ln /srv/a/x /srv/a/y
      chown 1000:1001 /srv/a/x
      chmod 4755 /srv/a/x
      mknod /srv/null c 1 3
      id -u >/srv/uid
      ls -ln /srv/a >/srv/seen
'
ranges='
  - run: "adduser -D app; rm -f /etc/*-"
  - run: "id > /tmp/who"
    user: app
'

@test "an ordinary user with ranges of ids builds the image that root builds" {
    start_user
    need_ranges
    recipe root <<<"$steps$ranges"
    cp -r root user/r
    chown -R fctest: user/r
    fccompose -C root build -q
    as_user 'fccompose -C r build -q'
    fccompose -C root cat /tmp/who | grep -q "^uid=1000(app) gid=1000(app)"
    cmp root/out.ext4 user/r/out.ext4
}

@test "an ordinary user with one id builds it too, from steps that rewrite no file of other owners" {
    start_user_without_ranges
    recipe root <<<"${steps/ls -ln \/srv\/a >\/srv\/seen/true}"
    cp -r root user/r
    chown -R fcnorange: user/r
    fccompose -C root build -q
    as_user 'fccompose -C r build' 2>log
    grep -q 'only 0: .*usermod --add-subuids' log
    fccompose ls -l -i user/r/out.ext4 /srv/a/x | grep -q ' 1000 *1001 '
    cmp root/out.ext4 user/r/out.ext4
}

@test "a build that is killed in the middle of a run step leaves no process and no mount, and the next removes its folder" {
    recipe r <<<'  - {run: "touch /kept/up; sleep 98765", cache: [/kept]}'
    fccompose -C r build -q 3>&- &
    local build=$! tick=0
    until ls cache/build/kept/*/up >/dev/null 2>&1; do
        [ $((tick++)) -lt 600 ]
        sleep 0.05
    done
    kill -KILL "$build"
    wait "$build" || true
    tick=0
    while pgrep -xf 'sleep 98765' >/dev/null; do
        [ $((tick++)) -lt 600 ]
        sleep 0.05
    done
    ! grep -F "$WORK" /proc/self/mounts
    ls -d cache/build/tmp-*
    [ ! -e r/out.ext4 ]
    sed -i 's/sleep 98765/true/' r/fccompose.yaml
    fccompose -C r build -q
    [ -z "$(find cache/build -name 'tmp-*')" ]
    fsck_clean r/out.ext4
}
