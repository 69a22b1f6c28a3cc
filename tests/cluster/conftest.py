"""Fixtures that put a module's tests into a cluster: its network, its client settings."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

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


@pytest.fixture(scope="module")
def here(cluster: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The cluster with what a team has in it (`e2e_kit.Site`): images, a store with data and a model."""
    from e2e_kit import site

    with site(cluster, tmp_path_factory.mktemp("e2e")) as made:
        yield made


@pytest.fixture(scope="module")
def namespace_with_operator(here: Any) -> Iterator[str]:
    """A namespace that enforces "restricted", has the keys, and the chart installed."""
    with here.namespace() as name, here.operator(name):
        yield name


def _up(mode: Mode) -> Iterator[None]:
    with ExitStack() as using:
        try:
            using.enter_context(w2s_cluster.used(mode))
        except w2s_cluster.CannotRun as lack:
            pytest.skip(str(lack))  # in CI a skip is a failure
        yield
