"""A network namespace of the cluster's own: nothing leaves it, and the host's routes and iptables stay as they are."""

import ctypes
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import pairwise
from pathlib import Path

from w2s_cluster.process import in_network
from w2s_cluster.settings import BRIDGE, GATEWAY, POD_RANGE, SERVICE_RANGE, Settings

_CLONE_NEWNET = 0x40000000


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
    target = os.open(namespace, os.O_RDONLY)
    try:
        with _moved_to(target) as came_from:
            _ways_out.append(came_from)
            try:
                yield
            finally:
                _ways_out.pop()
    finally:
        os.close(target)


@contextmanager
def outside() -> Iterator[None]:
    """Back, for a while, to the network that this process came from: package registries are there."""
    with _moved_to(_ways_out[0]) if _ways_out else nullcontext():
        yield


_ways_out: list[int] = []  # where each `entered` of this process came from, the outermost first


@contextmanager
def _moved_to(target: int) -> Iterator[int]:
    before = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)
    try:
        _setns(target)
        try:
            yield before
        finally:
            _setns(before)
    finally:
        os.close(before)


def _setns(descriptor: int) -> None:
    # os.setns exists since Python 3.12; the oldest that is supported here is 3.11.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET):
        error = ctypes.get_errno()
        raise OSError(error, f"setns: {os.strerror(error)}")
