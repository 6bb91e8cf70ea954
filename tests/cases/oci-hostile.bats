#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Images and registries that lie: what they must not get, and must not leave behind.

load ../lib/common

setup() { enter_workdir; }

teardown() {
    [ -z "${SERVER:-}" ] || exec 8>&-
    leave_workdir
}

# Two layers of one length, "one.tar" and "two.tar".
make_tars() {
    mkdir a b && echo one >a/file && echo two >b/file
    tar -C a --mtime=@0 --owner=0 --group=0 -cf one.tar file
    tar -C b --mtime=@0 --owner=0 --group=0 -cf two.tar file
}

# Sets FIRST and OTHER to HOST:PORT of the registry and its accomplice; requests are in "log".
start_odd() {
    make_tars
    python3 "$LIB/make-image" lay v1 one.tar
    mkfifo stop ports
    "$LIB/odd-registry" lay log <stop >ports 3>&- &
    exec 8>stop
    SERVER=1
    local first other
    read -r first other <ports
    FIRST=127.0.0.1:$first OTHER=127.0.0.1:$other
    export REGISTRY_AUTH_FILE=$PWD/auth.json
}

# blob_of ARCHIVE: "DIFFID DIGEST-OF-THE-UNPACKED-BLOB" of its only layer.
blob_of() {
    python3 - "$1" <<'END'
import gzip, hashlib, json, sys, tarfile
t = tarfile.open(sys.argv[1])
get = lambda digest: t.extractfile("blobs/" + digest.replace(":", "/")).read()
manifest = json.loads(get(json.load(t.extractfile("index.json"))["manifests"][0]["digest"]))
config = json.loads(get(manifest["config"]["digest"]))
data = get(manifest["layers"][0]["digest"])
data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
print(config["rootfs"]["diff_ids"][0], "sha256:" + hashlib.sha256(data).hexdigest())
END
}

@test "a manifest that names another's diffID does not put its blob under it" {
    make_tars
    gzip -kn two.tar
    fccompose init one.tar
    python3 "$LIB/make-image" --diffid-of one.tar lie v1 two.tar.gz
    tar -C lie -cf lie.tar .
    fccompose export -l oci-archive:lie.tar x.tar
    fccompose export -f oci-archive out.tar
    read -r said is < <(blob_of out.tar)
    [ "$said" = "$is" ]
}

@test "layers imported with another owner are not pushed as they came" {
    make_tars
    python3 "$LIB/make-image" lay v1 one.tar
    tar -C lay -cf lay.tar .
    fccompose init --owner 5:6 oci-archive:lay.tar
    fccompose export -f oci-archive out.tar
    read -r said is < <(blob_of out.tar)
    [ "$said" = "$is" ]
}

@test "a known file under another blob's name is not taken for that blob" {
    make_tars
    python3 "$LIB/make-image" one v1 one.tar
    python3 "$LIB/make-image" two v1 two.tar
    fccompose export -l oci:one:v1 x.tar
    one=$(sha256sum <one.tar) two=$(sha256sum <two.tar)
    ln -f "one/blobs/sha256/${one%% *}" "two/blobs/sha256/${two%% *}"
    run fccompose export -l oci:two:v1 y.tar
    [ "$status" -eq 1 ]
    [[ $output == *"is damaged or was exchanged"* ]]
    [ ! -e y.tar ]
}

@test "an index.json that cannot be read is not written over" {
    fccompose init builtin:busybox
    mkdir out && echo '{"manifests": [' >out/index.json
    cp out/index.json before
    run fccompose export -f oci -t v1 out
    [ "$status" -eq 1 ]
    [[ $output == *"index.json is not the index of an image layout"* ]]
    cmp before out/index.json
}

@test "a tag that nobody could ask for is refused" {
    fccompose init builtin:busybox
    for tag in '' 'a b' $'a\xff'; do
        run fccompose export -f oci-archive -t "$tag" out.tar
        [ "$status" -eq 2 ]
    done
    run fccompose export -f docker-archive -t 'A B:1' out.tar
    [ "$status" -eq 1 ]
    [ ! -e out.tar ]
}

@test "docker-archive: a list of more layers than an image may have is refused" {
    mkdir d && echo x >d/l.tar && echo '{}' >d/c.json
    python3 -c 'import json; print(json.dumps([{"Config": "c.json", "Layers": ["l.tar"] * 2000}]))' >d/manifest.json
    tar -C d -cf d.tar .
    run fccompose export -l docker-archive:d.tar x.tar
    [ "$status" -eq 1 ]
    [[ $output == *"manifest.json has 2000 layers, more than 1024"* ]]
}

@test "a portal's page does not displace what the cache knows of a tag" {
    start_odd
    fccompose export -l "docker://$FIRST/fine/x:v1" 1.tar
    touch portal
    run fccompose export -l "docker://$FIRST/fine/x:v1" x.tar
    [ "$status" -eq 1 ]
    fccompose export --offline -l "docker://$FIRST/fine/x:v1" 2.tar
    cmp 1.tar 2.tar
}

@test "credentials go to no server that a redirect leads to, nor to the token server that it names" {
    start_odd
    printf '{"auths": {"%s": {"auth": "%s"}}}' "$FIRST" "$(printf me:secret | base64)" >auth.json
    run fccompose export -l "docker://$FIRST/moved/x:v1" x.tar
    [ "$status" -eq 1 ]
    grep -q '^other GET /v2/moved' log
    ! grep '^other.*\(Basic\|Bearer\|/token\)' log
    ! grep /token log
}

@test "an identity token goes to the token server and not on from there" {
    start_odd
    printf '{"auths": {"%s": {"identitytoken": "secret"}}}' "$FIRST" >auth.json
    run fccompose export -l "docker://$FIRST/refresh/x:v1" x.tar
    [ "$status" -eq 1 ]
    [[ $output != *secret* ]]
    grep -q '^first POST /token/refresh.*refresh_token=secret' log
    ! grep '^other' log
}

@test "each scope of a challenge is a parameter of its own" {
    start_odd
    fccompose export -l "docker://$FIRST/tokens/x:v1" x.tar
    grep -q '/token/tokens?service=s&scope=repository:tokens/x:pull&scope=repository:y:pull ' log
}

@test "pieces are no smaller than the registry takes them" {
    start_odd
    head -c 200000 /dev/urandom >a/random
    tar -C a -cf big.tar random
    fccompose push --chunk-size 50000 -l big.tar "docker://$FIRST/pieces/x:v1"
    awk '$2 == "PATCH" { n++; if (size && size < 70000) bad = 1; size = $5 } END { exit !(n == 3 && !bad) }' log
}

@test "Ctrl-C at the password gives back a terminal that shows what is typed" {
    python3 - <<'END'
import os, pty, termios, time
master, slave = pty.openpty()
pid = os.fork()
if pid == 0:
    os.setsid()
    os.login_tty(slave) if hasattr(os, "login_tty") else [os.dup2(slave, i) for i in range(3)]
    import fcntl
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.execvp("fccompose", ["fccompose", "login", "-u", "me", "localhost:1"])
for _ in range(500):
    if not termios.tcgetattr(slave)[3] & termios.ECHO:
        break
    time.sleep(0.01)
else:
    raise SystemExit("the password would be shown")
os.write(master, b"\x03")
_, status = os.waitpid(pid, 0)
assert status != 0
assert termios.tcgetattr(slave)[3] & termios.ECHO
END
}

# What the second field of the log's lines for the paths that match $1 are, in order.
methods() { awk -v path="$1" '$3 ~ path { printf "%s ", $2 }' log; }

@test "an image that is known is asked after, not fetched again, until its tag moves" {
    start_odd
    fccompose export -l "docker://$FIRST/fine/x:v1" 1.tar
    [ "$(methods /manifests/v1)" = "GET " ]
    : >log
    fccompose export -l "docker://$FIRST/fine/x:v1" 2.tar
    [ "$(methods /manifests/v1)" = "HEAD " ]
    cmp 1.tar 2.tar
    python3 "$LIB/make-image" second v1 two.tar
    : >log
    fccompose export -l "docker://$FIRST/fine/x:v1" 3.tar
    [ "$(methods /manifests/v1)" = "HEAD GET " ]
    [ "$(tar -xOf 3.tar ./file)" = two ] || [ "$(tar -xOf 3.tar file)" = two ]
    : >log
    fccompose export -l "docker://$FIRST/fine/x:v1" 4.tar
    [ "$(methods /manifests/v1)" = "HEAD " ]
    cmp 3.tar 4.tar
}

@test "a token that expires in the middle of a pull, of a blob, of a push is replaced" {
    start_odd
    head -c 600000 /dev/urandom >a/random
    tar -C a --mtime=@0 --owner=0 --group=0 -cf big.tar random
    python3 "$LIB/make-image" second v1 one.tar big.tar two.tar
    fccompose export -l one.tar -l big.tar -l two.tar want.tar
    printf 'attempts: 30\nretry-delay: 10\n' >config.yaml
    export FCCOMPOSE_CONFIG=$PWD/config.yaml
    FCCOMPOSE_CACHE=$PWD/fresh fccompose export -l "docker://$FIRST/short/x:v1" got.tar
    cmp want.tar got.tar
    [ "$(methods '/blobs/.*' | wc -w)" -gt 9 ] # six pieces of the one layer, one for each of the others, the configuration
    [ "$(methods /token/short | wc -w)" -ge 4 ]
    : >log
    fccompose push --chunk-size 150000 -l big.tar -l two.tar "docker://$FIRST/short/push:v1"
    [ "$(methods /short/push/up | tr ' ' '\n' | grep -c PATCH)" -ge 5 ]
    [ "$(methods /token/short | wc -w)" -ge 5 ]
}

@test "a token is replaced before it expires" {
    start_odd
    fccompose export -l "docker://$FIRST/brief/x:v1" x.tar
    manifest=$(awk '$3 ~ "/manifests/v1" { token = $5 } END { print token }' log)
    blob=$(awk '$3 ~ "/blobs/" { print $5; exit }' log)
    [[ $manifest == brief* && $blob == brief* && $manifest != "$blob" ]]
}

@test "layers: a download that fails says why the import failed, and one that began anew is imported anew" {
    start_odd
    head -c 600000 /dev/urandom >a/random
    tar -C a --mtime=@0 --owner=0 --group=0 -cf big.tar random
    gzip -n1 <big.tar >big.tar.gz
    python3 "$LIB/make-image" second v1 one.tar big.tar.gz
    printf 'retry-delay: 10\n' >config.yaml
    export FCCOMPOSE_CONFIG=$PWD/config.yaml
    run fccompose init "docker://$FIRST/damaged/x:v1"
    [ "$status" -eq 1 ]
    [[ $output == *"sha256:"*"sha256:$(sha256sum <big.tar.gz | cut -d' ' -f1)"* ]]
    [ -z "$(find "$FCCOMPOSE_CACHE/oci" -size +100k)" ]
    fccompose export -l "docker://$FIRST/changed/x:v1" got.tar
    fccompose export -l one.tar -l big.tar want.tar
    cmp want.tar got.tar
    [ "$(methods "/changed/.*$(sha256sum <big.tar.gz | cut -d' ' -f1)")" = "GET GET " ]
}

@test "a sparse file in an archive of images does not fill the disk" {
    python3 - <<'END'
import io, tarfile
with tarfile.open("a.tar", "w", format=tarfile.PAX_FORMAT) as t:
    member = tarfile.TarInfo("blobs/sha256/" + "0" * 64)
    data = b"1\n0\n1\n".ljust(512, b"\0") + b"x"
    member.size = len(data)
    member.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": member.name,
                          "GNU.sparse.realsize": str(2**62)}
    t.addfile(member, io.BytesIO(data))
END
    for kind in oci docker; do
        run timeout 60 fccompose export -l "$kind-archive:a.tar" x.tar
        [ "$status" -eq 1 ]
        [[ $output == *"blobs/sha256/000"*"a sparse file"*"1 GiB"* ]]
    done
    [ "$(du -sm "$FCCOMPOSE_CACHE" | cut -f1)" -lt 3 ]
}

@test "an image layout whose files are FIFOs or devices is refused at once" {
    make_tars
    for file in oci-layout index.json; do
        rm -rf lay
        python3 "$LIB/make-image" lay v1 one.tar
        rm "lay/$file"
        mkfifo "lay/$file"
        run timeout 20 fccompose export -l oci:lay x.tar
        [ "$status" -eq 1 ]
        [[ $output == *"lay/$file: not a regular file"* ]]
        rm "lay/$file"
        ln -s /dev/zero "lay/$file"
        run timeout 20 fccompose export -l oci:lay x.tar
        [ "$status" -eq 1 ]
        [[ $output == *"lay/$file: not a regular file"* ]]
    done
    mkdir out
    mkfifo out/index.json
    run timeout 20 fccompose export -l one.tar -f oci -t v1 out
    [ "$status" -eq 1 ]
    [[ $output == *"out/index.json: not a regular file"* ]]
}
