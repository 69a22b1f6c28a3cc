"""Up and down: as often as one likes, and only what is ours."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import w2s_cluster
from w2s_cluster import Settings, process

COMMAND = [sys.executable, str(Path(__file__).with_name("cluster.py"))]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kwok_is_up: None) -> Settings:
    """A second cluster beside the one of this checkout."""
    monkeypatch.setenv("W2S_CLUSTER_DIR", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return Settings.of("kwok")


def run(*words: str) -> str:
    done = subprocess.run([*COMMAND, *words, "--mode", "kwok"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_up_mends_and_down_leaves_nothing(elsewhere):
    run("down")
    assert "is down" in run("status")
    try:
        run("up")
        assert "is up" in run("status")
        pid = (elsewhere.pids / "kube-apiserver").read_text().split()[0]
        os.kill(int(pid), 9)
        process.wait(10, "the API server to be gone", lambda: not process.alive(elsewhere, "kube-apiserver"))
        assert "is down" in run("status")
        etcd = (elsewhere.pids / "etcd").read_text()
        run("up")
        assert "is up" in run("status")
        assert (elsewhere.pids / "etcd").read_text() == etcd, "what ran was started again"
        assert len(w2s_cluster.kubectl("get", "nodes", "-o", "name", mode="kwok").split()) == 4
    finally:
        run("down", "--purge")
    assert not elsewhere.netns.exists()
    assert not elsewhere.home.exists()
    run("down")


@pytest.fixture
def stranger(tmp_path: Path):
    """A running process, and a cluster folder whose pid file names its pid."""
    settings = Settings("kwok", tmp_path)
    settings.pids.mkdir()
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        yield settings, sleeper
        sleeper.kill()


def test_a_process_with_the_pid_of_ours_but_another_start_is_left_alone(stranger):
    settings, sleeper = stranger
    head, _, tail = Path(f"/proc/{sleeper.pid}/stat").read_text().rpartition(")")
    fields = tail.split()
    fields[19] = str(int(fields[19]) - 1)
    (settings.pids / "etcd").write_text(f"{head}) {' '.join(fields)}")

    assert not process.alive(settings, "etcd")
    process.stop(settings, "etcd")
    assert sleeper.poll() is None


def test_ours_is_ended(stranger):
    settings, sleeper = stranger
    (settings.pids / "etcd").write_text(Path(f"/proc/{sleeper.pid}/stat").read_text())

    assert process.alive(settings, "etcd")
    process.stop(settings, "etcd")
    assert sleeper.wait(10) < 0
