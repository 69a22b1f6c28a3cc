"""Fixtures that put a module's tests into a cluster: its network, its client settings."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import w2s_cluster
from w2s_cluster import Mode


def pytest_report_header(config: pytest.Config) -> str:
    own = os.environ.get("KUBECONFIG")
    return f"cluster: your own, KUBECONFIG={own}" if own else "cluster: brought up by the tests"


@pytest.fixture(scope="session")
def node_is_up() -> Iterator[None]:
    yield from _up("node")


@pytest.fixture(scope="session")
def kwok_is_up() -> Iterator[None]:
    yield from _up("kwok")


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


def _up(mode: Mode) -> Iterator[None]:
    with ExitStack() as using:
        try:
            using.enter_context(w2s_cluster.used(mode))
        except w2s_cluster.CannotRun as lack:
            pytest.skip(str(lack))  # in CI a skip is a failure
        yield
