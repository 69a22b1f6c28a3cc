"""A network namespace of the cluster's own: nothing leaves it, and the host's routes and iptables stay as they are."""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from w2s_cluster.errors import ClusterFault
from w2s_cluster.process import in_network
from w2s_cluster.settings import BRIDGE, GATEWAY, NAMESPACES, POD_RANGE, PREFIX, SERVICE_RANGE, Settings

_CLONE_NEWNET = 0x40000000
_OWN_NAMESPACE = Path("/proc/thread-self/ns/net")


def create(settings: Settings) -> None:
    """The namespace, with one bridge whose address is the API server's, the node's and the tests' servers'."""
    if not settings.netns.exists():
        subprocess.run(["ip", "netns", "add", settings.identity], check=True)

    def ip(*words: str) -> None:
        subprocess.run(in_network(settings, "ip", *words), check=True)

    ip("link", "set", "lo", "up")
    if subprocess.run(in_network(settings, "ip", "link", "show", BRIDGE), capture_output=True).returncode:
        ip("link", "add", BRIDGE, "type", "bridge")
    ip("address", "replace", f"{GATEWAY}/{POD_RANGE.partition('/')[2]}", "dev", BRIDGE)
    ip("link", "set", BRIDGE, "up")
    ip("route", "replace", SERVICE_RANGE, "dev", BRIDGE, "src", GATEWAY)


def delete(settings: Settings) -> None:
    """The namespaces of pods that are left, then our own: bridge, routes and iptables rules go with it."""
    if not settings.netns.exists():
        return
    for pod in pod_namespaces(settings):
        subprocess.run(["ip", "netns", "delete", pod], check=False, capture_output=True)
    subprocess.run(["ip", "netns", "delete", settings.identity], check=True)


def pod_namespaces(settings: Settings) -> list[str]:
    """Names of the network namespaces at the other ends of our bridge."""
    shown = subprocess.run(
        in_network(settings, "ip", "-o", "link", "show", "master", BRIDGE), capture_output=True, text=True
    ).stdout.split()
    return [name for word, name in pairwise(shown) if word == "link-netns"]


@contextmanager
def entered(namespace: Path) -> Iterator[None]:
    """Move this thread into a network namespace, and back at the end.

    Threads and processes that it starts meanwhile are in it too; sockets that exist stay where they were made.
    """
    before = os.open(_OWN_NAMESPACE, os.O_RDONLY)
    target = os.open(namespace, os.O_RDONLY)
    try:
        _setns(target)
        try:
            yield
        finally:
            _setns(before)
    finally:
        os.close(target)
        os.close(before)


def require_way_out() -> None:
    """Raises `ClusterFault` in the network of a test cluster, from where no registry can be reached."""
    here = _OWN_NAMESPACE.stat().st_ino
    for namespace in NAMESPACES.glob(f"{PREFIX}*"):
        if namespace.stat().st_ino == here:
            raise ClusterFault(
                f"This process is in the network of the test cluster {namespace.name}, which has no way out: "
                "nothing can be fetched. Run `make tools` from outside of it."
            )


def _setns(descriptor: int) -> None:
    # os.setns exists since Python 3.12; the oldest that is supported here is 3.11.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET):
        error = ctypes.get_errno()
        raise OSError(error, f"setns: {os.strerror(error)}")
