"""A process that tunes one arm of many is ready within seconds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BOUND = 45.0
"""Processor seconds to the first step: what other work the machine has does not count."""

STARTUP = """
import json, sys, time
sys.path.insert(0, sys.argv[2])
import w2s_trainer.stages.train, w2s_trainer.stages.train.tuned, w2s_trainer.stages.session
from tiny_kit import load, objective_of, training_texts
from pathlib import Path
from w2s_trainer.tuning.keeper import NoCheckpoints
from w2s_trainer.tuning.loop import Schedule, tune

import torch
torch.set_num_threads(1)
student = load(Path(sys.argv[1]))
objective = objective_of("LogConf", 4, training_texts(student, 8))
first = []
tune(student, objective, Schedule(1, 4, 1e-3), keeper=NoCheckpoints(),
     progress=lambda _phase, step, _steps, **_: first.append(time.process_time()) if step == 1 else None)
print(json.dumps({"seconds": first[0], "modules": sorted(sys.modules)}))
"""


@pytest.fixture(scope="module")
def startup(tiny) -> dict:
    kit = Path(__file__).parents[2] / "unit" / "tuning"
    done = subprocess.run(
        [sys.executable, "-c", STARTUP, str(tiny["llama"]), str(kit)],
        capture_output=True,
        text=True,
        check=True,
        timeout=10 * BOUND,
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("heavy", ["transformers.trainer", "datasets", "tensorflow", "sklearn", "pandas"])
def test_nothing_heavy_is_imported_that_tuning_does_not_need(startup, heavy):
    assert "peft" in startup["modules"]
    assert heavy not in startup["modules"]


def test_the_first_step_is_done_within_seconds(startup):
    assert startup["seconds"] < BOUND
