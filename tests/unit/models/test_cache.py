"""Directories made once: what is there is whole, whoever was killed or came second."""

import subprocess
import sys
from pathlib import Path

import pytest

from w2s_trainer.models import cache
from w2s_trainer.models.cache import kept

MAKER = """
import sys
from pathlib import Path
from w2s_trainer.models.cache import kept

def make(directory):
    with open(sys.argv[2], "a") as log:
        log.write("made ")
    (directory / "half").write_text("")
    print("half", flush=True)
    sys.stdin.readline()
    (directory / "whole").write_text("")

print("start", flush=True)
kept(Path(sys.argv[1]), make)
print("done", flush=True)
"""


def maker(target: Path, log: Path) -> subprocess.Popen:
    """A process that makes the target's first half, says `half`, and waits for a line before the second."""
    process = subprocess.Popen(
        [sys.executable, "-c", MAKER, str(target), str(log)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "start\n"
    return process


def whole(directory: Path) -> None:
    (directory / "whole").write_text("")


def beside(target: Path) -> list[str]:
    """What else is there, locks apart."""
    return [
        path.name for path in target.parent.iterdir() if path != target and not path.name.endswith(".lock")
    ]


def test_it_is_made_once(tmp_path):
    target = tmp_path / "models/x"
    assert kept(target, whole) == target
    assert kept(target, lambda _: pytest.fail("made again")) == target
    assert not beside(target)


def test_a_failure_leaves_nothing(tmp_path):
    def fails(directory: Path) -> None:
        whole(directory)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        kept(tmp_path / "x", fails)
    assert not beside(tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_what_a_killed_process_left_counts_for_nothing_and_is_removed(tmp_path):
    target = tmp_path / "x"
    process = maker(target, tmp_path / "log")
    assert process.stdout.readline() == "half\n"
    process.kill()
    process.communicate()
    assert not target.exists()
    assert [name for name in beside(target) if name.endswith(".partial")]
    kept(target, whole)
    assert [path.name for path in target.iterdir()] == ["whole"]
    assert not [name for name in beside(target) if name.endswith(".partial")]


def test_two_processes_at_once_make_one(tmp_path):
    target, log = tmp_path / "x", tmp_path / "log"
    first = maker(target, log)
    assert first.stdout.readline() == "half\n"
    second = maker(target, log)
    first.communicate("\n", timeout=30)
    second.communicate("\n", timeout=30)
    assert log.read_text() == "made "
    assert sorted(path.name for path in target.iterdir()) == ["half", "whole"]


def test_another_model_does_not_wait(tmp_path):
    process = maker(tmp_path / "x", tmp_path / "log")
    assert process.stdout.readline() == "half\n"
    assert kept(tmp_path / "y", whole).is_dir()
    process.communicate("\n", timeout=30)
    assert (tmp_path / "x/whole").exists()


@pytest.mark.parametrize("first", ["another process", "this process"])
def test_without_locks_the_first_one_wins_and_no_partial_of_another_is_touched(tmp_path, monkeypatch, first):
    def no_locks(*_: object) -> None:
        raise OSError(cache.errno.ENOLCK, "no locks available")

    monkeypatch.setattr(cache.fcntl, "flock", no_locks)
    other = tmp_path / ".x.other.partial"
    other.mkdir()

    def make(directory: Path) -> None:
        (directory / "mine").write_text("")
        if first == "another process":
            (tmp_path / "x").mkdir()
            (tmp_path / "x/theirs").write_text("")

    kept(tmp_path / "x", make)
    assert [path.name for path in (tmp_path / "x").iterdir()] == [
        "theirs" if first == "another process" else "mine"
    ]
    assert beside(tmp_path / "x") == [other.name]
