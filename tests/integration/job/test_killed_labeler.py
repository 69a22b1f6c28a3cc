"""A labeler that is killed without a word goes on from what it had saved on a real S3 server."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.stages.label.saved_answers import SavedAnswers
from w2s_trainer.store.objects import Objects

N, SAVED = 40, 24
ANSWERS = np.random.default_rng(0).standard_normal((N, 3))

# Answers eight texts at a time and saves after each; says so when 24 answers are in the store, and waits to be killed:
# `python -c LABELER endpoint keys home scratch`.
LABELER = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
import numpy as np
from w2s_trainer.stages.label.saved_answers import SavedAnswers
from w2s_trainer.store.objects import Objects
from w2s_trainer.store.settings import StorageSettings

endpoint, keys, home, scratch = sys.argv[1:]
answers = np.random.default_rng(0).standard_normal((40, 3))
saved = []
context = SimpleNamespace(
    objects=Objects(StorageSettings(home, endpoint, credentials_dir=Path(keys))),
    store=SimpleNamespace(home_uri=lambda _kind, _key: home),
    job=SimpleNamespace(stage=SimpleNamespace(kind="label")),
    key="key", shard=(0, 1), scratch=Path(scratch),
    progress=SimpleNamespace(note=print), headway=saved.append,
)

def answer(left):
    for start in range(0, len(left), 8):
        if start == 24:
            while 24 not in saved:
                time.sleep(0.01)
            print("here", flush=True)
            time.sleep(600)
        rows = left[start : start + 8]
        yield rows, answers[rows]

SavedAnswers(context, np.arange(40), interval=0.0)("x", 40, 3, np.float64, answer, lambda *_step: None)
"""


def test_killed_without_a_word(embedded_s3, tmp_path):
    bucket = embedded_s3.new_bucket()
    settings, home = embedded_s3.settings(bucket), f"{bucket}/artifacts/label/key/"
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    words = [settings.endpoint, str(settings.credentials_dir), home, str(scratch)]
    process = subprocess.Popen([sys.executable, "-c", LABELER, *words], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL

    notes: list[str] = []
    steps: list[int] = []
    context = SimpleNamespace(
        objects=Objects(settings),
        store=SimpleNamespace(home_uri=lambda _kind, _key: home),
        job=SimpleNamespace(stage=SimpleNamespace(kind="label")),
        key="key",
        shard=(0, 1),
        scratch=scratch,
        progress=SimpleNamespace(note=notes.append),
        headway=lambda _step: None,
    )
    asked: list[int] = []

    def answer(left: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        asked.extend(left.tolist())
        yield left, ANSWERS[left]

    saving = SavedAnswers(context, np.arange(N))
    found = saving("x", N, 3, np.float64, answer, lambda done, _n: steps.append(done))
    assert asked == list(range(SAVED, N))
    assert found.tobytes() == ANSWERS.tobytes()
    assert notes == [f"going on from {SAVED} of {N} answers"]
    assert steps == [SAVED, N]
