# SPDX-License-Identifier: Apache-2.0
# A registry on this machine: load with `load ../lib/registry`.
# shellcheck shell=bash

# Start docker-registry on a free port of 127.0.0.1; sets REGISTRY to HOST:PORT. With an argument: TLS with a test CA (ca.pem)
# and a user "me" with the password "secret".
start_registry() {
    local port config=registry-$1.yml extra=''
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    if [ "${1:-plain}" != plain ]; then
        [ -f ca.pem ] || make_certificates
        htpasswd -Bbn me secret >htpasswd
        extra=", tls: {certificate: $PWD/server.pem, key: $PWD/server.key}}
auth: {htpasswd: {realm: test, path: $PWD/htpasswd}"
    fi
    cat >"$config" <<END
version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: $PWD/registry-${1:-plain}}, delete: {enabled: true}}
http: {addr: 127.0.0.1:$port$extra}
END
    docker-registry serve "$config" >"registry-${1:-plain}.log" 2>&1 3>&- &
    REGISTRY_PIDS="${REGISTRY_PIDS:-} $!"
    REGISTRY=localhost:$port
    local i
    for ((i = 0; i < 100; i++)); do
        if (exec 9<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then return 0; fi
        sleep 0.1
    done
    cat "registry-${1:-plain}.log"
    return 1
}

stop_registries() {
    local p
    for p in ${REGISTRY_PIDS:-}; do kill "$p" 2>/dev/null || true; done
    REGISTRY_PIDS=''
}

make_certificates() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test-ca -keyout ca.key -out ca.pem 2>/dev/null
    openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr 2>/dev/null
    openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out server.pem \
        -extfile <(echo subjectAltName=DNS:localhost,IP:127.0.0.1) 2>/dev/null
}
