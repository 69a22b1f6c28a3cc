"""How a stage ended whose processes ended one way or another."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from w2s_trainer.contract import machine
from w2s_trainer.contract.context import Headway
from w2s_trainer.contract.last_words import LastWords, read_last_words
from w2s_trainer.contract.processes import Ending, answer, supervise
from w2s_trainer.contract.signals import Asked, raise_when_asked

DONE = (0, LastWords("Done", artifact="key", figures={"steps": 3}))
REUSED = (0, LastWords("Reused", artifact="key"))
STOPPED = (75, LastWords("Stopped", "Stopped", "Asked to stop at step 3 of 9."))
PEERLESS = (70, LastWords("Stopped", "LostPeer", "Another process of this stage is gone."))
FULL = (70, LastWords("Failed", "OutOfMemory", "Memory ran out."))
DENIED = (77, LastWords("Failed", "AccessDenied", "No."))


@pytest.mark.parametrize(
    ("ends", "saved", "asked", "code", "reason", "message"),
    [
        ({0: DONE, 1: DONE}, True, False, 0, "", ""),
        ({0: DONE}, True, False, 0, "", ""),  # its artifact counts, whatever becomes of the other
        ({0: DONE, 1: FULL}, True, False, 0, "", ""),
        ({0: REUSED, 1: REUSED}, False, False, 0, "", ""),
        ({0: STOPPED, 1: STOPPED}, True, True, 75, "Stopped", "Asked to stop at step 3 of 9."),
        ({0: PEERLESS, 1: STOPPED}, False, True, 70, "Stopped", "Asked to stop."),
        ({}, False, True, 70, "Stopped", "Asked to stop."),
        ({0: PEERLESS}, True, False, 75, "LostPeer", "rank 1 was killed"),
        ({0: PEERLESS}, False, False, 70, "LostPeer", "nothing newer was saved"),
        ({1: PEERLESS}, True, False, 75, "LostPeer", "rank 0 was killed"),
        ({}, True, False, 75, "LostPeer", "rank 0, 1 was killed"),
        ({0: PEERLESS, 1: FULL}, True, False, 70, "OutOfMemory", "Process 1 of 2: Memory ran out."),
        ({0: FULL, 1: PEERLESS}, True, False, 70, "OutOfMemory", "Memory ran out."),
        ({0: FULL, 1: DENIED}, True, False, 77, "AccessDenied", "Process 1 of 2: No."),  # the first to fail
    ],
)
def test_one_answer_for_all(ends, saved, asked, code, reason, message):
    endings = {rank: Ending(rank, 100.0 - rank, *end) for rank, end in ends.items()}
    words, found = answer(endings, 2, saved=saved, asked=asked)
    assert (found, words.reason) == (code, reason)
    assert message in words.message


@pytest.mark.parametrize(
    ("visible", "files", "count"),
    [(None, 0, 0), (None, 2, 2), ("0,1,3", 8, 3), ("", 8, 0), ("-1", 8, 0), ("GPU-af, GPU-bc", 8, 2)],
)
def test_gpus_are_counted_without_torch(monkeypatch, tmp_path, visible, files, count):
    monkeypatch.setattr(machine, "DEVICES", tmp_path)
    for name in ["nvidiactl", "nvidia-uvm", *(f"nvidia{number}" for number in range(files))]:
        (tmp_path / name).touch()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert machine.gpus() == count


def test_headway_is_marked_for_who_answers(tmp_path):
    headway = Headway(tmp_path / "saved")
    assert not headway.saved
    assert not (tmp_path / "saved").exists()
    headway(3)
    headway(5)
    assert headway.saved
    assert (tmp_path / "saved").exists()


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_who_is_asked_is_asked_once_and_no_handler_of_failures_hears_it(name):
    before = signal.getsignal(name)
    heard = []

    def asked_twice() -> None:
        with raise_when_asked():
            try:
                os.kill(os.getpid(), name)
            except Exception:
                heard.append("a failure")
            finally:
                os.kill(os.getpid(), name)
                heard.append("cleaned up")

    with pytest.raises(Asked):
        asked_twice()
    assert heard == ["cleaned up"]
    assert signal.getsignal(name) is before


PLAY = """
import json, os, sys, time
from pathlib import Path
from w2s_trainer.contract.last_words import LastWords
from w2s_trainer.contract.processes import Rank
from w2s_trainer.contract.signals import Asked, raise_when_asked
assert "torch" not in sys.modules
options = dict(zip(sys.argv[2::2], sys.argv[3::2]))
try:
    with raise_when_asked():
        rank = Rank.enter(Path(options["--rank-notes"]))
        print(json.dumps([rank.number, os.environ["OMP_NUM_THREADS"], options["--scratch"]]), flush=True)
        (rank.directory / f"{rank.number}.said").touch()
        while len(list(rank.directory.glob("*.said"))) < 2:
            time.sleep(0.01)
        act = sys.argv[1].split(",")[rank.number]
        if act == "wait":
            time.sleep(120)
        if act == "kill":
            os.kill(os.getpid(), 9)
    rank.leave(LastWords("Done" if act == "done" else "Failed", act, artifact="key"), 0 if act == "done" else 65)
except Asked:
    rank.leave(LastWords("Stopped", "Stopped", "Asked."), 75)
"""


@pytest.mark.parametrize(
    ("acts", "code", "reason"),
    [
        ("done,done", 0, "done"),
        ("done,wait", 0, "done"),  # the artifact is there: nobody is waited for
        ("wait,broken", 65, "broken"),  # who waits for one that has ended waits in vain
        ("wait,kill", 70, "LostPeer"),
    ],
)
def test_processes_that_end_differently_end_as_one_stage(monkeypatch, tmp_path, capfd, acts, code, reason):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    (tmp_path / "play.py").write_text(PLAY)
    words = tmp_path / "words"
    found = supervise(
        [acts],
        2,
        last_words=words,
        scratch=tmp_path / "scratch",
        program=(str(tmp_path / "play.py"),),
        grace=2.0,
    )
    said = read_last_words(words)
    assert said is not None
    assert (found, said.reason) == (code, reason)
    out, err = capfd.readouterr()
    lines = sorted(map(json.loads, out.splitlines()))
    assert [line[:2] for line in lines] == [[0, "1"], [1, "1"]]
    assert all(Path(line[2]).parent == tmp_path / "scratch" for line in lines)
    assert [*(tmp_path / "scratch").iterdir()] == []
    assert err.endswith(f"{said.reason}: {said.message}\n") or code == 0


def test_who_answers_for_others_does_not_load_torch():
    code = "import sys, w2s_cli.stage, w2s_trainer.contract.job, w2s_trainer.contract.processes; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
