"""kubectl of the test cluster, and what is done through it."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from w2s_cluster import binaries
from w2s_cluster.errors import ClusterFault
from w2s_cluster.process import in_network
from w2s_cluster.settings import MODES, Mode, Settings

_LOST = "test.w2s.dev/lost"
_NAMES = 'jsonpath={range .items[*]}{.metadata.namespace} {.metadata.name}{"\\n"}{end}'


def own_kubeconfig() -> str | None:
    """The `KUBECONFIG` of a cluster of the user's own, unless it is a test cluster's file."""
    given = os.environ.get("KUBECONFIG")
    return given if given and given not in [str(Settings.of(mode).kubeconfig()) for mode in MODES] else None


def executable() -> Path:
    """The kubectl to run: the test cluster's, or that of `PATH` with a cluster of the user's own."""
    return Path(shutil.which("kubectl") or "kubectl") if own_kubeconfig() else binaries.folder() / "kubectl"


def kubectl(*words: str, mode: Mode = "node", stdin: str | None = None) -> str:
    """Run kubectl as administrator, from wherever this process is; raises `ClusterFault` with its words."""
    settings = Settings.of(mode)
    if own_kubeconfig():
        command = [str(executable()), *words]
    else:
        command = in_network(settings, executable(), f"--kubeconfig={settings.kubeconfig()}", *words)
    done = subprocess.run(command, input=stdin, capture_output=True, text=True)
    if done.returncode:
        raise ClusterFault(f"kubectl {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def fake_nodes(
    count: int,
    *,
    mode: Mode = "kwok",
    prefix: str = "fake",
    capacity: Mapping[str, str] | None = None,
    taint: str | None = None,
) -> list[str]:
    """Nodes that kwok plays: Ready within a second, their pods follow kwok/stages.yaml.

    Beside a real node, give a taint (`key=value:Effect`), else real pods are scheduled to them and never run.
    """
    resources = {"cpu": "256", "memory": "2Ti", "pods": "10000", "nvidia.com/gpu": "64"} | dict(
        capacity or {}
    )
    names = [f"{prefix}-{number}" for number in range(count)]
    nodes = [_fake_node(name, resources, taint) for name in names]
    kubectl(
        "apply", "-f", "-", mode=mode, stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": nodes})
    )
    return names


def lose_fake_node(name: str, *, mode: Mode = "kwok") -> None:
    """The node falls silent: NotReady at once, and its pods stay Terminating when they are deleted."""
    kubectl("annotate", "node", name, f"{_LOST}=true", mode=mode)
    pods = kubectl(
        "get", "pods", "-A", f"--field-selector=spec.nodeName={name}", "-o", _NAMES, mode=mode
    ).splitlines()
    for namespace, pod in (line.split() for line in pods):
        kubectl("annotate", "pod", pod, "-n", namespace, f"{_LOST}=true", mode=mode)


def _fake_node(name: str, resources: Mapping[str, str], taint: str | None) -> dict[str, Any]:
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "type": "kwok",
    }
    spec: dict[str, Any] = {}
    if taint:
        key_value, _, effect = taint.rpartition(":")
        key, _, value = key_value.partition("=")
        spec["taints"] = [{"key": key, "value": value, "effect": effect}]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}},
        "spec": spec,
        "status": {"allocatable": dict(resources), "capacity": dict(resources)},
    }
