"""Fixtures that put a module's tests into a cluster: its network, its client settings."""

import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import w2s_cluster
from w2s_cluster import Mode, Settings

_SESSION = "W2S_CLUSTER_SESSION"  # the same in all workers of one run


def pytest_configure(config: pytest.Config) -> None:
    os.environ.setdefault(_SESSION, uuid.uuid4().hex)


def pytest_report_header(config: pytest.Config) -> str:
    own = os.environ.get("KUBECONFIG")
    return f"cluster: your own, KUBECONFIG={own}" if own else "cluster: brought up by the tests"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """What this run brought up goes down with it; what was up before stays up."""
    if hasattr(session.config, "workerinput"):
        return
    modes: list[Mode] = ["node", "kwok"]
    for mode in modes:
        note = _note(mode)
        if note.exists() and note.read_text() == os.environ[_SESSION]:
            w2s_cluster.down(mode)
            note.unlink()


@pytest.fixture(scope="session")
def node_is_up() -> None:
    _up("node")


@pytest.fixture(scope="session")
def kwok_is_up() -> None:
    _up("kwok")


@pytest.fixture(scope="module")
def cluster(node_is_up: None) -> Iterator[Path]:
    """Real pods: the kubeconfig, with this module's tests inside the cluster's network."""
    with w2s_cluster.enter("node"):
        yield w2s_cluster.kubeconfig("node")


@pytest.fixture(scope="module")
def kwok_cluster(kwok_is_up: None) -> Iterator[Path]:
    """Fake pods: the kubeconfig, with this module's tests inside the cluster's network."""
    with w2s_cluster.enter("kwok"):
        yield w2s_cluster.kubeconfig("kwok")


def _up(mode: Mode) -> None:
    try:
        started = w2s_cluster.up(mode)
    except w2s_cluster.CannotRun as lack:
        pytest.skip(str(lack))  # in CI a skip is a failure
    if started:
        _note(mode).write_text(os.environ[_SESSION])


def _note(mode: Mode) -> Path:
    return Settings.of(mode).home / "brought-up-by"
