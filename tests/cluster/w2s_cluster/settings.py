"""Where a cluster lives and which addresses it uses."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Mode = Literal["node", "kwok"]
MODES: tuple[Mode, ...] = ("node", "kwok")

PATIENCE = 3.0
"""Bounds of waiting are written for two quiet cores; a machine that is so many times slower still meets them."""

REPOSITORY = Path(__file__).resolve().parents[3]
SOURCES = REPOSITORY / "tests" / "cluster"

# The network namespace is the cluster's own, so addresses and the standard ports cannot meet anyone else's.
BRIDGE = "w2s0"
GATEWAY = "10.88.0.1"  # API server, node, and the test's own servers
POD_RANGE = "10.88.0.0/24"
FIRST_POD = "10.88.0.10"
SERVICE_RANGE = "10.96.0.0/16"
KUBERNETES_SERVICE = "10.96.0.1"
API_PORT = 6443
NODE_NAME = "w2s-node"

NAMESPACES = Path("/run/netns")
PREFIX = "w2s-"  # of what must be unique on the machine: network namespaces and cgroups


@dataclass(frozen=True)
class Settings:
    """One cluster: its mode and its folder, from which everything else follows."""

    mode: Mode
    home: Path

    @classmethod
    def of(cls, mode: Mode) -> "Settings":
        """The cluster of this checkout; `W2S_CLUSTER_DIR` moves it.

        Each process of a parallel test run has fake nodes of its own; they share the one kubelet of the machine.
        """
        given = os.environ.get("W2S_CLUSTER_DIR")
        base = (Path(given) if given else REPOSITORY / ".w2s" / "cluster").resolve()
        worker = os.environ.get("PYTEST_XDIST_WORKER", "")
        return cls(mode, base / (worker if mode == "kwok" else "") / mode)

    @property
    def identity(self) -> str:
        """Names what must be unique on the machine: network namespace and cgroup."""
        return f"{PREFIX}{self.mode}-{hashlib.sha256(str(self.home).encode()).hexdigest()[:8]}"

    @property
    def netns(self) -> Path:
        """The network namespace, as a file to enter by."""
        return NAMESPACES / self.identity

    @property
    def pki(self) -> Path:
        """Certificates and keys."""
        return self.home / "pki"

    @property
    def logs(self) -> Path:
        """One log a component; they survive `down` and are emptied by the next `up` from nothing."""
        return self.home / "log"

    @property
    def pids(self) -> Path:
        """One file a component: its line of /proc/<pid>/stat as it was at its start."""
        return self.home / "pid"

    @property
    def audit_log(self) -> Path:
        """Every request but those of Kubernetes' own components, one JSON object a line (level Metadata)."""
        return self.logs / "audit.log"

    @property
    def containerd_socket(self) -> Path:
        """Where containerd listens."""
        return self.home / "containerd.sock"

    def kubeconfig(self, user: str = "admin") -> Path:
        """The client settings of one user, for use inside the network namespace."""
        return self.home / f"{user}.kubeconfig"


def cache() -> Path:
    """What is built once for all clones: `$XDG_CACHE_HOME/w2s/cluster`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "w2s" / "cluster"


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """One process at a time inside the block."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
