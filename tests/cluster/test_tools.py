"""Nothing is fetched or built but by `make tools`, from outside of a cluster's network."""

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from w2s_cluster import CannotRun, ClusterFault, binaries, host, images, network, release_images, tools

PACKAGE = Path(tools.__file__).parent
FETCHERS = {"install", "build_cluster", "build_gitops_engines", "make_base"}
"""Functions that reach a registry; that of release images, `build`, is told from others by its module."""


def test_outside_of_a_cluster_there_is_a_way_out():
    """First of this module: the others stay in the network once they are in."""
    network.require_way_out()


def test_in_the_network_of_a_cluster_it_is_refused_and_says_what_to_do(kwok_cluster: Path):
    with pytest.raises(ClusterFault, match=r"no way out.*Run `make tools` from outside"):
        tools.make(print)


def test_a_process_below_is_refused_too(kwok_cluster: Path):
    command = [sys.executable, str(PACKAGE.parent / "cluster.py"), "tools"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "no way out" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "find",
    [
        binaries.folder,
        binaries.gitops_engines,
        images.base,
        lambda: release_images.reference("operator"),
        lambda: host.require("kwok"),
        lambda: host.require("node"),
        lambda: host.require("images"),
    ],
    ids=["binaries", "engines", "base", "release", "kwok", "node", "images"],
)
def test_what_is_not_there_is_said_and_nothing_is_run(
    find: Callable[[], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(images, "exists", lambda _: False)
    commands: list[object] = []
    monkeypatch.setattr(subprocess, "run", lambda *words, **_: commands.append(words))
    monkeypatch.setattr(subprocess, "Popen", lambda *words, **_: commands.append(words))
    with pytest.raises((ClusterFault, CannotRun), match=r"Run `make (tools|e2e)`"):
        find()
    assert commands == []


def test_no_other_module_calls_what_fetches():
    calls = {
        (file.stem, node.func.attr)
        for file in [*PACKAGE.glob("*.py"), *PACKAGE.parent.glob("*.py")]
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if node.func.attr in FETCHERS or ast.unparse(node.func) == "release_images.build"
    }
    assert calls == {("tools", name) for name in [*FETCHERS, "build"]}
