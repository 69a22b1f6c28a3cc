"""Kubernetes, etcd, kwok and GitOps engines, built from the Go module proxy once for all clones of these sources."""

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from w2s_cluster import host
from w2s_cluster.errors import ClusterFault
from w2s_cluster.settings import SOURCES, cache

_TOOLS = SOURCES / "tools"
_KUBERNETES = [
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubectl",
]

# folder of the module, name of the binary (or a folder for several), packages
_Builds = list[tuple[str, str, list[str]]]
_CLUSTER: _Builds = [
    ("kubernetes", "", [f"k8s.io/kubernetes/cmd/{name}" for name in _KUBERNETES]),
    ("kubernetes", "etcd", ["go.etcd.io/etcd/server/v3"]),
    ("kwok", "kwok", ["sigs.k8s.io/kwok/cmd/kwok"]),
    ("pause", "pause", ["."]),
]
_ENGINES: _Builds = [("gitops", "", ["./argo", "./flux"])]


def folder(say: Callable[[str], None] = lambda _: None) -> Path:
    """The folder of the cluster's binaries, built now if these sources were never built on this machine."""
    what = "building Kubernetes, etcd and kwok from the Go module proxy: some minutes, once on this machine"
    return _built(_CLUSTER, lambda: say(what))


def gitops_engines() -> Path:
    """The folder of `argo` and `flux`, which only the tests of GitOps need; built as those of the cluster are."""
    return _built(_ENGINES, lambda: None)


def _built(builds: _Builds, say: Callable[[], None]) -> Path:
    built = cache() / _key(builds) / "bin"
    if built.exists():
        return built
    built.parent.mkdir(parents=True, exist_ok=True)
    with (built.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.exists():
            say()
            _build(builds, built)
    return built


def _key(builds: _Builds) -> str:
    """The content that decides what comes out: pinned modules, our own source, packages and flags, the machine."""
    recipe = [(*build, _link_flags(build[0])) for build in builds]
    digest = hashlib.sha256(f"{platform.machine()} {recipe}".encode())
    modules = {_TOOLS / module for module, _, _ in builds}
    for file in sorted(file for module in modules for file in [*module.glob("go.*"), *module.rglob("*.go")]):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _build(builds: _Builds, built: Path) -> None:
    needed = re.findall(
        r"^go (\S+)$",
        "\n".join((_TOOLS / module / "go.mod").read_text() for module, _, _ in builds),
        re.MULTILINE,
    )
    go = host.go(max(needed, key=lambda version: [int(part) for part in version.split(".")]))
    partial = built.with_name("bin.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for module, name, packages in builds:
        command = [
            str(go),
            "build",
            "-mod=readonly",
            "-trimpath",
            "-buildvcs=false",
            "-ldflags",
            _link_flags(module),
        ]
        command += ["-o", f"{partial}/{name}", *packages]
        done = subprocess.run(
            command,
            cwd=_TOOLS / module,
            env=os.environ | {"CGO_ENABLED": "0"},
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            raise ClusterFault(f"go build of {' '.join(packages)} failed: {done.stderr.strip()[-2000:]}")
    partial.rename(built)


def _link_flags(module: str) -> str:
    """Without symbols; Kubernetes is told its version, which `kubectl version` and API discovery show."""
    flags = ["-s", "-w"]
    if module == "kubernetes":
        version = re.findall(r"k8s.io/kubernetes (v\S+)", (_TOOLS / module / "go.mod").read_text())[0]
        major, minor, _ = version.removeprefix("v").split(".")
        facts = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "archive"}
        facts |= {"gitCommit": "unknown", "buildDate": "1970-01-01T00:00:00Z"}
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
            flags += [word for name, value in facts.items() for word in ("-X", f"{package}.{name}={value}")]
    return " ".join(flags)
