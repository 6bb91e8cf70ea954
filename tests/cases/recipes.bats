#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GROUP: heavy
# The example recipes, over layers that need no network, each built and booted to its prompt or its program's output.
load ../lib/common

setup() {
    need e2fsck linux.uml
    enter_workdir
    export FCCOMPOSE_UML=$ROOT/tools/uml
}
teardown() {
    kill_users_of "$WORK/"
    leave_workdir
}

# The recipe NAME in the folder r, built with the rest of the arguments; then its image is whole.
build() { # NAME IMAGE ARGUMENTS...
    fccompose init -q -C r --example "$1"
    [ "$(wc -l <"r/fccompose.yaml")" -lt 40 ]
    fccompose -C r schema --check fccompose.yaml
    fccompose -C r build -q "${@:3}"
    fsck_clean "r/$2"
}

# Boot r/IMAGE until its console has a line that matches EXPRESSION; the console is in the file "console".
boot() { # IMAGE EXPRESSION ARGUMENTS...
    fccompose boot --vmm uml "r/$1" --expect "$2" --timeout 30 "${@:3}" </dev/null >console 2>words || { tail -n 40 console; cat words; return 1; }
}

# A layer that makes busybox look like Alpine: `apk add` puts OpenRC, agetty and sshd there as far as a boot needs them.
alpine_like() {
    mkdir -p layer/sbin layer/packages/openrc/sbin layer/packages/openrc/etc/init.d layer/packages/agetty/sbin \
        layer/packages/agetty/etc/init.d layer/packages/openssh/usr/sbin layer/packages/openssh/etc/init.d
    cat >layer/sbin/apk <<'SH'
#!/bin/sh
# apk add NAME...: what is in /packages/NAME
[ "$1" = add ] && shift || exit 1
mkdir -p /var/cache/apk && : >/var/cache/apk/index
for p; do
    [ "$p" != util-linux ] || p=agetty
    cp -a "/packages/$p/." / || exit 1
done
SH
    cat >layer/packages/openrc/sbin/openrc <<'SH'
#!/bin/sh
# Start what is linked into the runlevel, each service by its name.
for s in /etc/runlevels/"$1"/*; do
    [ ! -e "$s" ] || { echo "runlevel $1 starts ${s##*/}"; RC_SVCNAME=${s##*/} sh "$s" start; }
done
SH
    printf '::sysinit:/sbin/openrc boot\n::wait:/sbin/openrc default\n' >layer/packages/openrc/etc/inittab
    echo 'mount -t proc proc /proc' >layer/packages/openrc/etc/init.d/procfs
    echo 'mount -t sysfs sysfs /sys' >layer/packages/openrc/etc/init.d/sysfs
    echo 'mountpoint -q /dev || mount -t devtmpfs dev /dev' >layer/packages/openrc/etc/init.d/devfs
    cat >layer/packages/agetty/etc/init.d/agetty <<'SH'
(while :; do setsid /sbin/agetty "${RC_SVCNAME#*.}" </dev/null >/dev/null 2>&1; sleep 1; done) &
SH
    cat >layer/packages/agetty/sbin/agetty <<'SH'
#!/bin/sh
exec /sbin/getty -n -l /sbin/welcome 115200 "$1"
SH
    cat >layer/packages/agetty/sbin/welcome <<'SH'
#!/bin/sh
cat /etc/motd
echo "$(cat /etc/hostname) login: "
exec sleep 100
SH
    printf '#!/bin/sh\necho "sshd lets in: $(cat /root/.ssh/authorized_keys)"\n' >layer/packages/openssh/usr/sbin/sshd
    echo /usr/sbin/sshd >layer/packages/openssh/etc/init.d/sshd
    find layer -path '*bin/*' -type f -exec chmod 755 {} +
    chmod 755 layer/packages/*/etc/init.d/*
    ln -s /bin/busybox layer/sbin/init
    # One layer, as BASE is one: busybox and this.
    fccompose export -q -l builtin:busybox base.tar
    tar -C layer --owner=0 --group=0 -rf base.tar .
}

@test "recipe: alpine-openrc gives a getty on the console" {
    need_root
    need_fuse
    alpine_like
    build alpine-openrc alpine.ext4 --set "BASE=$WORK/base.tar"
    boot alpine.ext4 '^alpine login:'
    grep -q 'runlevel boot starts devfs' console
    grep -q 'runlevel default starts agetty.ttyS0' console
    grep -q 'A microVM.' console
    run fccompose cat -i r/alpine.ext4 /var/cache/apk/index
    [ "$status" -eq 1 ]
}

@test "recipe: ssh-key lets the key in, and its image has no host keys" {
    need_root
    need_fuse
    alpine_like
    fccompose init -q -C r --example ssh-key
    echo 'ssh-ed25519 AAAA me@here' >r/key.pub
    fccompose -C r schema --check fccompose.yaml
    fccompose -C r build -q --set "BASE=$WORK/base.tar"
    boot ssh.ext4 'sshd lets in: ssh-ed25519 AAAA me@here'
    [ "$(fccompose cat -i r/ssh.ext4 /etc/ssh/sshd_config.d/10-keys.conf | head -n 1)" = 'PasswordAuthentication no' ]
}

@test "recipe: debian runs its program as its own user" {
    need_root
    need_fuse
    need_minbase
    build debian debian.ext4 --set "BASE=$MINBASE"
    boot debian.ext4 '^app: ready'
    grep -q 'app: hello from debian, as app in /srv' console
}

@test "recipe: busybox boots" {
    build busybox busybox.ext4 --set NAME=box
    boot busybox.ext4 'box is up'
}

@test "recipe: oci-app runs the image's program" {
    need umoci
    fccompose export -q -l builtin:busybox base.tar
    mkdir bundle
    umoci init --layout lay >/dev/null
    umoci new --image lay:v1 >/dev/null
    umoci unpack --image lay:v1 bundle >/dev/null
    tar -C bundle/rootfs -xf base.tar
    umoci repack --image lay:v1 bundle >/dev/null
    umoci config --image lay:v1 --config.entrypoint /bin/sh --config.entrypoint -c \
        --config.cmd 'echo "$WORD on port $(cat /etc/app.d/port) in $(pwd)"; exit 7' --config.env WORD=serving --config.workingdir /var >/dev/null
    build oci-app app.ext4 --set "IMAGE=oci:$WORK/lay:v1" --set PORT=99
    boot app.ext4 'fccompose-init: exit status 7'
    grep -q '^serving on port 99 in /var' console
}

@test "recipe: network has its addresses from the MAC" {
    build network network.ext4
    # A network of user-mode Linux's own, for its interface to have that MAC.
    boot network.ext4 'address of eth0: 172.16.0.2/30' --append eth0=mcast,06:00:ac:10:00:02
    [ "$(fccompose cat -i r/network.ext4 /etc/resolv.conf)" = 'nameserver 9.9.9.9' ]
}

@test "recipe: makefile is made again when something it is made of has changed, and only then" {
    need make
    fccompose init -q -C r --example makefile
    [ "$(make -C r -s -q; echo $?)" -eq 1 ]
    make -C r -s
    make -C r -s -q
    boot rootfs.ext4 'hello from a target of make'
    local f
    for f in hello overlay/etc/init.d/S90hello fccompose.yaml; do
        sleep 0.05
        echo '#' >>"r/$f"
        [ "$(make -C r -s -q; echo $?)" -eq 1 ]
        make -C r -s
    done
    make -C r -s clean
    [ ! -e r/rootfs.ext4 ]
}

@test "recipe: every example is known here, and to the completion of shells" {
    local names
    names=$(cd "$ROOT/examples" && printf '%s\n' */fccompose.yaml | sed 's,/.*,,')
    [ "$(fccompose init --example list)" = "$names" ]
    for name in $names; do
        grep -q "recipe: $name[ ,]" "$BATS_TEST_FILENAME" "$ROOT/tests/full/recipes.bats"
        grep -q "^| \`$name\` |" "$ROOT/examples/README.md"
    done
    # shellcheck disable=SC2016
    [ "$(bash -c 'source <(fccompose completion bash); COMP_WORDS=(fccompose init --example o) COMP_CWORD=3; _fccompose; echo "${COMPREPLY[@]}"')" = "oci-app overlay-init" ]
}
