"""Bring the cluster up, end it, and reach it."""

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from w2s_cluster import binaries, control_plane, fake, host, network, node, pki
from w2s_cluster.errors import CannotRun, ClusterFault
from w2s_cluster.kubectl import fake_nodes, kubectl, own_kubeconfig
from w2s_cluster.process import alive, stop, wait
from w2s_cluster.settings import GATEWAY, Mode, Settings, locked

_CONTROL_PLANE = ["kwok", "kube-scheduler", "kube-controller-manager", "kube-apiserver", "etcd"]
_NODE = ["containerd", "kubelet", "kube-proxy"]
_FAKE_NODES = 4
_FOR_USERS = "for-users"


def up(mode: Mode = "node", say: Callable[[str], None] = lambda _: None) -> None:
    """Bring the cluster up and wait until pods can be created; what runs already is left running.

    It stays up until `down`. A cluster that the user's `KUBECONFIG` names is left alone.
    Raises `CannotRun` where this machine cannot run one, `ClusterFault` where it should have.
    """
    _bring_up(mode, say)
    # What was brought up for users is here to stay now.
    _for_users(Settings.of(mode)).unlink(missing_ok=True)


@contextmanager
def used(mode: Mode = "node") -> Iterator[None]:
    """The cluster is up inside the block; when only users wanted it up, the last of them takes it down."""
    if own_kubeconfig():
        up(mode)
        yield
        return
    host.require(mode)
    settings = Settings.of(mode)
    settings.home.parent.mkdir(parents=True, exist_ok=True)
    with _users(settings).open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            if not settings.netns.exists():
                settings.home.mkdir(exist_ok=True)
                _for_users(settings).touch()
            _bring_up(mode, lambda _: None)
            yield
        finally:
            _down_unless_used(settings, users)


def down_unused(mode: Mode = "node") -> None:
    """End clusters that users brought up and left behind: they were killed, or interrupted on their way out."""
    folder = Settings.of(mode).home.parent
    for note in [*folder.glob(f"{mode}/{_FOR_USERS}"), *folder.glob(f"*/{mode}/{_FOR_USERS}")]:
        settings = Settings(mode, note.parent)
        with _users(settings).open("w") as users:
            _down_unless_used(settings, users)


def _down_unless_used(settings: Settings, users: IO[str]) -> None:
    with suppress(BlockingIOError):  # someone else uses it
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _for_users(settings).exists():
            _down(settings)


def _lock(settings: Settings) -> Path:
    """For one `up` or `down` of a folder at a time."""
    return settings.home.parent / f".{settings.mode}.lock"


def _users(settings: Settings) -> Path:
    """A file that each user holds a lock on."""
    return settings.home.parent / f".{settings.mode}.users"


def _for_users(settings: Settings) -> Path:
    """A note that the cluster is up for its users only."""
    return settings.home / _FOR_USERS


def _bring_up(mode: Mode, say: Callable[[str], None]) -> None:
    """From nothing, or only the parts that had died."""
    if own_kubeconfig():
        if mode == "kwok" and not kubectl("get", "nodes", "-l", "type=kwok", "-o", "name", mode=mode):
            raise CannotRun("KUBECONFIG names your own cluster, and it has no fake nodes (label type=kwok).")
        say(f"KUBECONFIG names a cluster of your own ({own_kubeconfig()}): nothing to start")
        return
    settings, began = Settings.of(mode), time.monotonic()
    host.require(mode)
    bin_folder = binaries.folder()
    with locked(_lock(settings)):
        if is_up(mode) and _built_from(settings) == str(bin_folder):
            return
        if mode == "node":
            node.claim_machine(settings)
        if _built_from(settings) not in ("", str(bin_folder)) or not settings.netns.exists():
            _end(settings)  # other versions, or the machine was restarted

        def tell(what: str) -> None:
            say(f"{time.monotonic() - began:6.1f} s  {what}")

        tell("binaries")
        for folder in (settings.pids, settings.logs):
            folder.mkdir(parents=True, exist_ok=True)
        (settings.home / "binaries").write_text(str(bin_folder))
        network.create(settings)
        pki.create(settings)
        control_plane.up(settings, bin_folder)
        tell("API server ready")
        if mode == "node":
            node.up(settings, bin_folder)
            tell("node Ready")
        fake.up(settings, bin_folder)
        if mode == "kwok":
            fake_nodes(_FAKE_NODES, mode=mode)
        wait(60, "the default service account", lambda: _has_default_account(mode))
        tell("pods can be created")


def down(mode: Mode = "node", *, purge: bool = False) -> None:
    """End what `up` started and undo what it changed on the machine; `purge` also removes the cluster's folder.

    Without `purge` the images that the node holds stay; the cluster's objects are gone either way.
    """
    _down(Settings.of(mode), purge=purge)


def _down(settings: Settings, *, purge: bool = False) -> None:
    if not settings.home.exists():
        return
    with locked(_lock(settings)):
        _end(settings)
        _for_users(settings).unlink(missing_ok=True)
        if purge:
            shutil.rmtree(settings.home)


def is_up(mode: Mode = "node") -> bool:
    """Whether every component runs and the API server is ready."""
    settings = Settings.of(mode)
    if own_kubeconfig():
        return control_plane.ready(settings)
    parts = _CONTROL_PLANE + (_NODE if mode == "node" else [])
    return (
        settings.netns.exists()
        and all(alive(settings, part) for part in parts)
        and control_plane.ready(settings)
    )


def kubeconfig(mode: Mode = "node") -> Path:
    """The administrator's client settings: the user's own `KUBECONFIG` where it is set, else the test cluster's."""
    return Path(own_kubeconfig() or Settings.of(mode).kubeconfig())


@contextmanager
def enter(mode: Mode = "node") -> Iterator[None]:
    """Move this thread, and all that it starts, into the cluster's network; a cluster of the user's own has none."""
    if own_kubeconfig():
        yield
        return
    namespace = Settings.of(mode).netns
    if not namespace.exists():
        raise ClusterFault(f"The {mode} cluster is not up: make cluster-up MODE={mode}")
    with network.entered(namespace):
        yield


def store_host(mode: Mode = "node") -> str:
    """The address on which a test's server must listen so that test and pods both reach it.

    With a cluster of the user's own, `W2S_STORE_HOST` says which address of this machine its pods reach.
    """
    if not own_kubeconfig():
        return GATEWAY
    given = os.environ.get("W2S_STORE_HOST")
    if not given:
        raise CannotRun(
            "KUBECONFIG names your own cluster: set W2S_STORE_HOST to an address here that its pods reach."
        )
    return given


def _end(settings: Settings) -> None:
    stop(settings, "kwok")
    if settings.mode == "node":
        node.down(settings)
    stop(settings, "kube-scheduler")
    stop(settings, "kube-controller-manager")
    stop(settings, "kube-apiserver", patience=1)  # it would wait for open watches
    stop(settings, "etcd")
    network.delete(settings)
    for folder in (
        settings.home / "etcd",
        settings.home / "kubelet",
        settings.home / "pod-logs",
        settings.logs,
    ):
        shutil.rmtree(folder, ignore_errors=True)


def _built_from(settings: Settings) -> str:
    note = settings.home / "binaries"
    return note.read_text() if note.exists() else ""


def _has_default_account(mode: Mode) -> bool:
    try:
        return bool(kubectl("get", "serviceaccount", "default", "-n", "default", mode=mode))
    except ClusterFault:
        return False


def run(mode: Mode, command: list[str]) -> int:
    """Run a command in the cluster's network with `KUBECONFIG` set; gives its exit status."""
    with enter(mode):
        return subprocess.run(command, env=os.environ | {"KUBECONFIG": str(kubeconfig(mode))}).returncode
