"""Kubernetes, etcd, kwok and GitOps engines, built from the Go module proxy once for all clones of these sources."""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from w2s_cluster import host
from w2s_cluster.errors import ClusterFault
from w2s_cluster.settings import SOURCES, cache, locked

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
_REPORT_EVERY = 15.0  # seconds


def folder() -> Path:
    """The folder of the cluster's binaries; raises `ClusterFault` if `make tools` has not built them."""
    return _built(_CLUSTER, "Kubernetes, etcd and kwok")


def gitops_engines() -> Path:
    """The folder of `argo` and `flux`, which the tests of GitOps run; raises `ClusterFault` if it is not there."""
    return _built(_ENGINES, "the engines of Flux and Argo CD")


def build_cluster(say: Callable[[str], None]) -> None:
    """Build what `folder` gives, unless these sources were built before on this machine."""
    _build_once(_CLUSTER, say)


def build_gitops_engines(say: Callable[[str], None]) -> None:
    """Build what `gitops_engines` gives, unless these sources were built before on this machine."""
    _build_once(_ENGINES, say)


def _built(builds: _Builds, words: str) -> Path:
    built = _target(builds)
    if not built.exists():
        raise ClusterFault(f"{words[0].upper()}{words[1:]} are not built on this machine. Run `make tools`.")
    return built


def _build_once(builds: _Builds, say: Callable[[str], None]) -> None:
    built = _target(builds)
    with locked(built.parent / "lock"):
        if not built.exists():
            _build(builds, built, say)


def _target(builds: _Builds) -> Path:
    return cache() / _key(builds) / "bin"


def _key(builds: _Builds) -> str:
    """The content that decides what comes out: pinned modules, our own source, packages and flags, the machine."""
    recipe = [(*build, _link_flags(build[0])) for build in builds]
    digest = hashlib.sha256(f"{platform.machine()} {recipe}".encode())
    modules = {_TOOLS / module for module, _, _ in builds}
    for file in sorted(file for module in modules for file in [*module.glob("go.*"), *module.rglob("*.go")]):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _build(builds: _Builds, built: Path, say: Callable[[str], None]) -> None:
    go = host.go(_go_version(builds))
    partial = built.with_name("bin.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for module, name, packages in builds:
        command = [str(go), "build", "-v", "-mod=readonly", "-trimpath", "-buildvcs=false"]
        command += ["-ldflags", _link_flags(module), "-o", f"{partial}/{name}", *packages]
        _run_go(command, module, say)
    partial.rename(built)


def _go_version(builds: _Builds) -> str:
    """The newest Go that one of the modules asks for."""
    files = "\n".join((_TOOLS / module / "go.mod").read_text() for module, _, _ in builds)
    versions = re.findall(r"^go (\S+)$", files, re.MULTILINE)
    return max(versions, key=lambda version: [int(part) for part in version.split(".")])


def _run_go(command: list[str], module: str, say: Callable[[str], None]) -> None:
    """Run `go build -v`, which writes a line for each module that it fetches and each package that it compiles."""
    began = reported = time.monotonic()
    fetched = compiled = 0
    tail: deque[str] = deque(maxlen=30)
    environment = os.environ | {"CGO_ENABLED": "0"}
    say(f"go build of {module}")
    with subprocess.Popen(
        command, cwd=_TOOLS / module, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            tail.append(line)
            fetched += line.startswith("go: downloading")
            compiled += "/" in line and " " not in line
            if time.monotonic() - reported >= _REPORT_EVERY:
                reported = time.monotonic()
                say(f"go build of {module}: {fetched} modules fetched, {compiled} packages compiled")
    if process.returncode:
        raise ClusterFault(f"go build of {module} failed: {''.join(tail).strip()[-2000:]}")
    if time.monotonic() - began >= _REPORT_EVERY:
        say(f"go build of {module}: done in {time.monotonic() - began:.0f} s")


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
