# SPDX-License-Identifier: Apache-2.0
"""The images of tests/bench/import, made by Python and gzip alone, and the servers that have them."""
import functools
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import time

from bench.inputs import Skip, compressed


def sha256(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while piece := f.read(1 << 20):
            h.update(piece)
    return h.hexdigest()


def split(tar, n, folder):
    """The entries of @tar in @n tars of about the same size, in order. Returns their paths, in @folder."""
    paths = [os.path.join(folder, f"{os.path.basename(tar)}-{i + 1}-of-{n}.tar") for i in range(n)]
    if all(os.path.exists(p) for p in paths):
        return paths
    size, done, i = os.path.getsize(tar), 0, 0
    outs = [tarfile.open(p + ".part", "w", format=tarfile.PAX_FORMAT) for p in paths]
    with tarfile.open(tar) as whole:
        for m in whole:
            i = min(n - 1, done * n // size)
            outs[i].addfile(m, whole.extractfile(m) if m.isreg() else None)
            done = whole.offset
    for out, path in zip(outs, paths):
        out.close()
        os.rename(path + ".part", path)
    return paths


def names_of(tars):
    """How many names an extraction of all has. No input has whiteouts, or a name that newlines would break."""
    names = set()
    for tar in tars:
        listed = subprocess.run(["tar", "-tf", tar, "--quoting-style=escape"], stdout=subprocess.PIPE, check=True).stdout
        for line in listed.splitlines():
            name = line.removeprefix(b"./").rstrip(b"/")
            while name and name != b"." and name not in names:
                names.add(name)
                name = os.path.dirname(name)
    return len(names)


class Image:
    """An image layout in @dir with the tag "t": @blobs are its layers, @diffids the digests of their tars (hexadecimal)."""

    def __init__(self, tars, inputs, folder):
        self.dir, self.diffids, self.blobs = os.path.join(folder, "image"), [sha256(t) for t in tars], []
        self.n_names = names_of(tars)
        os.makedirs(os.path.join(self.dir, "blobs/sha256"))
        layers = [self.layer(compressed(t, inputs)) for t in tars]
        config = self.document("application/vnd.oci.image.config.v1+json", {
            "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": ["sha256:" + d for d in self.diffids]}})
        manifest = self.document("application/vnd.oci.image.manifest.v1+json", {
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": layers})
        manifest["annotations"] = {"org.opencontainers.image.ref.name": "t"}
        self.write("index.json", {"schemaVersion": 2, "manifests": [manifest]})
        self.write("oci-layout", {"imageLayoutVersion": "1.0.0"})

    def write(self, name, value):
        data = json.dumps(value).encode()
        with open(os.path.join(self.dir, name), "wb") as f:
            f.write(data)
        return data

    def document(self, kind, value):
        data = json.dumps(value).encode()
        digest = hashlib.sha256(data).hexdigest()
        self.write("blobs/sha256/" + digest, value)
        return {"mediaType": kind, "digest": "sha256:" + digest, "size": len(data)}

    def layer(self, path):
        digest = sha256(path)
        blob = os.path.join(self.dir, "blobs/sha256", digest)
        if not os.path.exists(blob):
            shutil.copyfile(path, blob)
        self.blobs.append(blob)
        return {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": "sha256:" + digest, "size": os.path.getsize(blob)}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port, child):
    for _ in range(100):
        if child.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.1)
    raise Skip("the server does not answer")


class Place:
    """One case: its image, the folder @dir of what is made of it, and its servers, which start when they are asked for."""

    def __init__(self, case, folder, tars, options, inputs):
        self.case, self.dir, self.fccompose, self.zlib_build = case, folder, options.fccompose, options.zlib_build
        self.image = Image(tars, inputs, folder)
        self.children = []

    def start(self, argv, port):
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.children.append(child)
        wait_for(port, child)
        return f"127.0.0.1:{port}"

    @functools.cache
    def server(self):
        port = free_port()
        return self.start([sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", self.image.dir, str(port)], port)

    @functools.cache
    def registry(self):
        for command in ("docker-registry", "skopeo"):
            if not shutil.which(command):
                raise Skip(f"{command} is not installed")
        port, config = free_port(), os.path.join(self.dir, "registry.yml")
        store = json.dumps(os.path.join(self.dir, "registry"))
        with open(config, "w") as f:
            f.write(f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {store}}}}}\nhttp: {{addr: 127.0.0.1:{port}}}\n")
        address = self.start(["docker-registry", "serve", config], port)
        argv = ["skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci:{self.image.dir}:t", f"docker://{address}/bench:t"]
        if subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL).returncode != 0:
            raise Skip("skopeo cannot put the image into the registry")
        return address

    def stop(self):
        for child in self.children:
            child.terminate()
            child.wait()
