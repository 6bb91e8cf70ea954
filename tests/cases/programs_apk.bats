#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# apk in a chroot of the mount over Alpine, compared with the same in a chroot on the host's file system.
load ../lib/common
load ../lib/programs

setup() {
    need_root
    need_fuse
    need_alpine
    need python3 unshare
    enter_workdir
}
teardown() {
    fccompose -C "$WORK/w" umount || true
    leave_workdir
}

# What apk does with a package of a local repository: add, audit, fix, upgrade, del.
# shellcheck disable=SC2016
SESSION='
set -eu
apk="apk --no-network --repositories-file /repo/none --allow-untrusted"
apk index --allow-untrusted -q -o /repo/x86_64/APKINDEX.tar.gz /repo/x86_64/fc-tool-1.0-r0.apk
$apk -X /repo add fc-tool
fc-link
echo changed >>/etc/fc-tool.conf
echo changed >>/usr/share/fc-tool/5
rm /usr/share/fc-tool/6
$apk audit --system | sort
$apk -X /repo fix fc-tool
test "$(cat /usr/share/fc-tool/6 | head -n 1)" = 6
$apk audit --system | sort
$apk add /repo/x86_64/fc-tool-2.0-r0.apk
fc-link
test -e /etc/fc-tool.conf.apk-new
$apk info -L fc-tool | sort | tail -n 3
describe
$apk del fc-tool
test ! -e /usr/share/fc-tool
$apk audit | sort
$apk info | sort
'

session() { # DIR: the repository is bound to /repo; "describe" shows the tree from outside
    mkdir -p "$1/repo"
    # shellcheck disable=SC2016
    unshare -m --propagation private sh -ec 'mount -t proc proc "$1/proc"; mount --bind repo "$1/repo"
        exec chroot "$1" /bin/sh -c "describe() { touch /described; while [ -e /described ]; do sleep 0.05; done; }; $2"' sh "$1" "$SESSION" </dev/null
}
described() { # but for scripts.tar, in which apk writes the time
    tar -xOf "$1/lib/apk/db/scripts.tar" | sha256sum
    manifest "$1" --skip var/cache --skip repo --skip described --skip lib/apk/db/scripts.tar |
        awk -v began="$(cat began)" '{ if ($5 + 0 >= began + 0) $5 = "new"; print }'
}

@test "apk add, audit, fix, upgrade, del: the tree and the words are those of a chroot on the host" {
    mkdir -p repo/x86_64
    : >repo/none
    "$LIB/make-apk" repo/x86_64 fc-tool 1.0-r0
    "$LIB/make-apk" repo/x86_64 fc-tool 2.0-r0
    untar host "$ALPINE"
    mounted_workspace w "$ALPINE"
    date +%s%N >began
    local d pid
    for d in host w/rootfs; do
        session $d >"${d##*/}.out" 2>&1 3>&- &
        pid=$!
        while [ ! -e $d/described ] && kill -0 $pid 2>/dev/null; do sleep 0.05; done
        described $d >"${d##*/}.installed"
        rm -f $d/described
        wait $pid || { cat "${d##*/}.out"; return 1; }
        described $d >"${d##*/}.deleted"
    done
    same_manifest host.installed rootfs.installed
    same_manifest host.deleted rootfs.deleted
    diff host.out rootfs.out
    grep -q 'usr/bin/fc-setuid - 4755' rootfs.installed
    grep -q 'usr/share/fc-tool/hard .*group=usr/share/fc-tool/7' rootfs.installed
    same_as_image w
}
