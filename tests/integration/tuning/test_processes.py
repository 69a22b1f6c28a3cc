"""Two processes under torchrun tune the student that one process tunes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_kit import Kept

sys.path.insert(0, str(Path(__file__).parent))

from rank import RUNS, STOP_AFTER, tune_one

from w2s_trainer.tuning.world import World

BOUND = 180
STEPS = 10


@pytest.fixture(scope="module")
def out(tiny, tmp_path_factory) -> Path:
    """What two processes leave."""
    out = tmp_path_factory.mktemp("out")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    script = [str(Path(__file__).with_name("rank.py")), str(tiny["bert"].parent), str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [*torchrun, *script], env=environment, capture_output=True, text=True, timeout=BOUND
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return out


@pytest.fixture(scope="module")
def said(out) -> list[dict]:
    return [json.loads((out / f"said.{rank}.json").read_text()) for rank in (0, 1)]


@pytest.fixture(scope="module", params=RUNS)
def run(request, tiny, tmp_path_factory):
    """One process: name, student, what it saw, what it kept."""
    kept = Kept(tmp_path_factory.mktemp("alone"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    student, seen = tune_one(tiny["bert"].parent, request.param, kept, World())
    torch.set_num_threads(threads)
    return request.param, student, seen, kept


def test_they_end_with_the_weights_of_one_process(out, run):
    name, student, _, _ = run
    together = load_file(out / f"{name}.0")
    assert together.keys() == student.state().keys()
    for weight, one in student.state().items():
        torch.testing.assert_close(
            together[weight], one, atol=1e-5, rtol=0, msg=lambda m, w=weight: f"{w}: {m}"
        )


@pytest.mark.parametrize("name", [*RUNS, "resumed"])
def test_they_end_with_the_same_bits(out, name):
    first, second = (load_file(out / f"{name}.{rank}") for rank in (0, 1))
    assert first.keys() == second.keys()
    assert [weight for weight in first if not torch.equal(first[weight], second[weight])] == []


def test_each_step_is_of_the_texts_that_one_process_takes_and_each_text_is_one_process_s(said, run):
    name, _, seen, _ = run
    mine = [rank[name]["seen"] for rank in said]
    assert len(seen) == len(mine[0]) == len(mine[1]) == STEPS + 1
    for step in range(STEPS):
        assert sorted(mine[0][step] + mine[1][step]) == sorted(seen[step])
        assert bool(mine[0][step]) == bool(seen[step])
        assert bool(mine[1][step]) == (len(seen[step]) > 1)


def test_the_best_student_is_the_one_that_one_process_finds(out, run):
    name, _, _, kept = run
    best = Kept(out / name / "0").newest().meta["best"]
    assert best["step"] == kept.newest().meta["best"]["step"]
    assert best["loss"] == pytest.approx(kept.newest().meta["best"]["loss"], abs=1e-5)


def test_only_the_one_that_leads_saves(said, run):
    assert [rank[run[0]]["saved"] for rank in said] == [[STEPS], []]


def test_what_the_one_that_leads_says_holds_for_all(said):
    assert [rank["told"] for rank in said] == ["rank 0", "rank 0"]
    assert [rank["size"] for rank in said] == [2, 2]


def test_asking_one_to_stop_stops_both_with_everything_saved(said):
    for rank in said:
        assert rank["stopped"]["reason"] == "Stopped"
        assert f"step {STOP_AFTER} of {STEPS}" in rank["stopped"]["message"]
        assert rank["found"] == [STOP_AFTER]
    assert said[0]["stopped"]["saved"] == [STOP_AFTER]
    assert said[1]["stopped"]["saved"] == []


def test_going_on_they_end_as_if_nobody_had_asked(out):
    resumed, undisturbed = Kept(out / "stopped"), Kept(out / "undisturbed")
    mine, theirs = resumed.tensors(STEPS), undisturbed.tensors(STEPS)
    assert mine.keys() == theirs.keys()
    assert [name for name in mine if not torch.equal(mine[name], theirs[name])] == []
    assert resumed.all[STEPS].meta["losses"] == undisturbed.all[STEPS].meta["losses"]
