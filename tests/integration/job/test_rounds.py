"""Self-training on real parts: each round is a stage of its own, and what predicts is the last round that was accepted."""

import json
import os
import signal
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from w2s_api.pipeline import FIRST_SEED
from w2s_trainer.store.artifacts import ArtifactStore

sys.path.insert(0, str(Path(__file__).parent))

from killing_kit import begin, stages_of, until_started

pytestmark = pytest.mark.slow


def self_trained(spec):
    spec["strong"]["rounds"] = {"max": 2}
    spec["evaluation"]["seeds"] = 2
    spec["promotion"] = {"candidate": "SelfTrained", "mustBeat": []}


@pytest.fixture(scope="module")
def lines_of_the_killed(module_workplace):
    """A job that was killed in its second round; what it said until then."""
    module_workplace.edit(self_trained)
    run = begin(module_workplace)
    lines = until_started(run, "round-2")
    os.kill(run.pid, signal.SIGKILL)
    run.communicate(timeout=180)
    return lines


@pytest.fixture(scope="module")
def job(module_workplace, lines_of_the_killed):
    done = module_workplace.run()
    assert done.returncode == 0, done.stderr
    return module_workplace


def answered(job, stage, kind, arm, directory):
    """Probabilities of an arm by id, of the published seed."""
    key = job.results()["provenance"][stage]["key"]
    artifact = ArtifactStore(job.objects, f"{job.bucket}/w2s").find(kind, key)
    table = pq.read_table(artifact.fetch("predictions.parquet", directory / key)).to_pylist()
    return {
        row["id"]: row["probabilities"] for row in table if (row["arm"], row["seed"]) == (arm, FIRST_SEED)
    }


def assert_predicts(job, expected, directory, capsys):
    """`w2s predict` of the job answers the texts of the test as an arm did."""
    key = job.results()["provenance"]["prepare"]["key"]
    artifact = ArtifactStore(job.objects, f"{job.bucket}/w2s").find("prepare", key)
    examples = pq.read_table(artifact.fetch("examples.parquet", directory)).to_pylist()
    texts = {row["id"]: row["text"] for row in examples if row["part"] == "test"}
    file = directory / "texts.jsonl"
    file.write_text("".join(json.dumps({"id": name, "text": text}) + "\n" for name, text in texts.items()))
    said = job.predict(capsys, "--job", str(job.directory / "job.yaml"), str(file))
    assert len(said) == len(texts) > 20
    for row in said:
        assert list(row["probabilities"].values()) == pytest.approx(list(expected[row["id"]]), abs=1e-4)


def files_of(job):
    return json.loads(job.objects.read(f"{job.bucket}/w2s/jobs/tests/copyleft/candidate.json"))["files"]


def test_a_round_that_was_killed_is_begun_anew_and_nothing_before_it(job, lines_of_the_killed):
    assert {"prepare", "train", "combine"} <= set(stages_of(lines_of_the_killed, "done"))
    assert job.worked == ["round-2", "evaluate", "promote"]


def test_each_round_is_an_ablation_and_the_stop_rule_reads_the_budget_alone(job):
    results = job.results()
    rounds, evaluation = results["rounds"], results["evaluation"]
    assert evaluation["candidate"] == "self-trained"
    for seed, losses in rounds["heldOutLogLoss"].items():
        assert len(losses) == 2
        assert rounds["accepted"][seed] == (2 if losses[1] < losses[0] else 1)
    reached = {arm["arm"]: arm["metrics"]["MacroF1"]["estimate"] for arm in evaluation["arms"]}
    assert {"combined", "self-trained", "round-2"} <= set(reached)
    differences = {(one["arm"], one["baseline"]): one["perSeed"] for one in evaluation["exploratory"]}
    gained = differences["round-2", "combined"]
    taken = [gain if rounds["accepted"][str(seed)] == 2 else 0.0 for seed, gain in enumerate(gained)]
    assert differences["self-trained", "combined"] == pytest.approx(taken)
    assert [arm["trainedOn"] for arm in evaluation["arms"] if arm["arm"] == "round-2"] == [
        results["data"]["rows"]["pool"]
    ]
    assert "What each round of self-training added" in (job.directory / "output/report.html").read_text()


def test_what_predicts_is_the_student_of_the_last_accepted_round(job, tmp_path, capsys):
    assert job.results()["rounds"]["accepted"][str(FIRST_SEED)] == 2
    assert_predicts(job, answered(job, "round-2", "train", "round-2", tmp_path), tmp_path, capsys)
    assert not [name for name in files_of(job) if "combination" in name]


def test_one_more_round_is_work_for_that_round_and_what_follows(job):
    job.edit(lambda spec: spec["strong"].update(rounds={"max": 3}))
    done = job.run()
    assert done.returncode == 0, done.stderr
    assert job.worked == ["round-3", "evaluate", "promote"]
    assert {len(losses) for losses in job.results()["rounds"]["heldOutLogLoss"].values()} == {3}


def test_where_the_budget_accepts_no_round_what_predicts_is_the_combination(job, tmp_path, capsys):
    """Students that are held to almost nothing learn no more than class shares, where the combination has a gold student."""
    tuning = {"head": {"l2": "100000"}}
    job.edit(lambda spec: spec["strong"].update(tuning=tuning, rounds={"max": 2}))
    done = job.run()
    assert done.returncode == 0, done.stderr
    assert job.results()["rounds"]["accepted"] == {"0": 1, "1": 1}
    assert_predicts(job, answered(job, "combine", "combine", "combined", tmp_path), tmp_path, capsys)
    assert [name for name in files_of(job) if "combination" in name]
