"""What a process that tunes one arm leaves behind, with students that need no training."""

import weakref
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from w2s_api.spec.evaluation import Evaluation
from w2s_api.spec.strong import Strong
from w2s_api.spec.task import Task
from w2s_trainer.families import task_family
from w2s_trainer.models.tokens import Tokens
from w2s_trainer.stages.session import Tuned
from w2s_trainer.stages.tables import Examples, matrix, read_predictions
from w2s_trainer.stages.train import tuned
from w2s_trainer.tuning.collapse import Alarm
from w2s_trainer.tuning.training_set import TrainingSet

EXAMPLES = Examples(
    ids=[f"id{i}" for i in range(10)],
    texts=["x" * (i + 1) for i in range(10)],
    parts=np.array(["pool"] * 4 + ["budget"] * 3 + ["test"] * 3),
    families=np.arange(10),
)
LABELS = np.arange(10) % 2


class Student:
    """Says the same of every text: how large its only weight is."""

    def __init__(self, weight):
        self.tokenizer = None
        self.weight = torch.tensor([weight])

    def load(self, state):
        self.weight = state["weight"]

    def state(self):
        return {"weight": self.weight}

    def probabilities(self, tokens, _batch_tokens, progress):
        progress(len(tokens), len(tokens))
        first = np.full(len(tokens), float(self.weight))
        return np.stack([first, 1 - first], axis=1)


@pytest.fixture
def train(monkeypatch, tmp_path):
    """Runs an arm on training sets of some sizes; gives the summary, what was trained on, what is alive."""

    def train(arm, sizes, *, best=None, weights=None, strong=None, alarms=()):
        seen, alive, notes = [], [], []

        def tune_student(context, recipe, texts, data, *, name, seed):
            alive.append(sum(one() is not None for one in students))
            student = Student(0.1 * len(seen))
            students.append(weakref.ref(student))
            seen.append((recipe, texts, data, name, seed))
            figures = {"texts": len(texts), "steps": 5, "seconds": 1.5, "lastLoss": 0.5, "joules": None}
            return Tuned(student, best, list(alarms), figures)

        def sets(context, examples):
            def of(size):
                rows = np.arange(size)
                data = TrainingSet(rows, np.eye(2)[LABELS[:size]], np.ones(size), EXAMPLES.families[:size])
                return data if weights is None else replace(data, weights=np.array(weights))

            return SimpleNamespace(
                of=lambda arm, _seed: [of(size) for size in (sizes if arm.name == "gold-only" else sizes[:1])]
            )

        students: list = []
        monkeypatch.setattr(tuned, "tune_student", tune_student)
        monkeypatch.setattr(tuned, "TrainingSets", sets)
        monkeypatch.setattr(tuned, "read_examples", lambda *_: EXAMPLES)
        monkeypatch.setattr(
            task_family,
            "tokenize",
            lambda _t, texts, most: Tokens(texts, sum(len(t) > 8 for t in texts), [], 0.0),
        )
        progress = SimpleNamespace(note=notes.append)
        context = SimpleNamespace(
            job=SimpleNamespace(stage=SimpleNamespace(arm=arm, seed=2)),
            spec=SimpleNamespace(
                strong=strong
                or Strong.model_validate({"model": {"uri": "file:///m"}, "tuning": {"type": "LoRA"}}),
                task=Task.model_validate({"classes": [{"name": "no"}, {"name": "yes"}]}),
                evaluation=Evaluation(),
            ),
            artifact=lambda _role: None,
            model=SimpleNamespace(name="file:///m"),
            scratch=tmp_path,
            output=tmp_path,
            progress=type("P", (), {"__call__": lambda *_: None, "note": progress.note})(),
        )
        result = tuned.tune_arm(context)
        return SimpleNamespace(result=result, seen=seen, alive=alive, notes=notes, output=tmp_path)

    return train


def answers(output, *, of_pool: bool = False):
    """The first class's probability by arm, seed and size; every answer of a student is the same."""
    table = pq.read_table(output / "predictions.parquet").to_pydict()
    assert sorted(set(table["id"])) == [f"id{i}" for i in range(0 if of_pool else 4, 10)]
    found = {}
    for arm, seed, size, p in zip(
        table["arm"], table["seed"], table["size"], table["probabilities"], strict=True
    ):
        found.setdefault((arm, seed, size), set()).add(round(p[0], 5))
    return found


def test_the_strong_arm(train, summary_is_documented):
    done = train("strong", [4])
    assert answers(done.output, of_pool=True) == {("strong", 2, 4): {0.0}}
    assert load_file(done.output / "student.safetensors")["weight"].item() == 0
    summary = done.result.summary
    summary_is_documented(summary, "of one arm and seed: train-<arm>-<seed>")
    assert (summary["arm"], summary["seed"], summary["arms"]) == ("strong", 2, ["strong"])
    assert summary["examples"] == {"strong": 4}
    assert summary["truncated"] == 2
    assert summary["trained"] == [
        {"size": 4, "texts": 4, "steps": 5, "seconds": 1.5, "lastLoss": 0.5, "joules": None, "collapsed": []}
    ]
    assert done.result.figures == {"texts": 4, "steps": 5, "seconds": 1.5, "lastLoss": 0.5}


def test_with_weak_validation_both_answer_and_the_best_is_kept(train):
    done = train("strong", [4], best={"weight": torch.tensor([0.75])})
    assert answers(done.output, of_pool=True) == {("full-schedule", 2, 4): {0.0}, ("strong", 2, 4): {0.75}}
    assert load_file(done.output / "student.safetensors")["weight"].item() == 0.75
    assert done.result.summary["arms"] == ["full-schedule", "strong"]
    assert done.result.summary["examples"] == {"strong": 4}


def test_the_unfiltered_control_is_stopped_alike_and_answers_once(train):
    done = train("unfiltered", [4], best={"weight": torch.tensor([0.75])})
    assert answers(done.output) == {("unfiltered", 2, 4): {0.75}}
    assert not (done.output / "student.safetensors").exists()


def test_gold_only_is_tuned_on_more_and_more_gold(train):
    done = train("gold-only", [2, 4, 7])
    assert answers(done.output) == {
        ("gold-only", 2, 2): {0.0},
        ("gold-only", 2, 4): {0.1},
        ("gold-only", 2, 7): {0.2},
    }
    assert [name for *_, name, _ in done.seen] == ["2", "4", "7"]
    assert done.result.summary["examples"] == {"gold-only": 7}
    assert [one["size"] for one in done.result.summary["trained"]] == [2, 4, 7]
    assert done.result.figures["texts"] == 7


def test_one_student_at_a_time_is_held_in_memory(train):
    assert train("gold-only", [2, 4, 7]).alive == [0, 0, 0]


def test_rows_without_weight_are_not_trained_on(train):
    done = train("strong", [4], weights=[1.0, 0.0, 2.0, 0.0])
    _, texts, data, name, _ = done.seen[0]
    assert list(texts) == ["x", "xxx"]
    assert data.weights.tolist() == [1.0, 2.0]
    assert data.targets.argmax(1).tolist() == [0, 0]
    assert data.families.tolist() == [0, 2]
    assert name == "4"


LOG_CONF = Strong.model_validate(
    {
        "model": {"uri": "file:///m"},
        "tuning": {"type": "LoRA", "head": {"l2": "0.7"}},
        "loss": {"type": "LogConf"},
        "training": {"epochs": 3, "stopping": {"type": "WeakValidation"}},
    }
)


@pytest.mark.parametrize(
    ("arm", "loss", "stopping", "l2"),
    [
        ("strong", "LogConf", "WeakValidation", 0.7),
        ("unfiltered", "LogConf", "WeakValidation", 0.7),
        ("gold-only", "CrossEntropy", "FixedSchedule", None),
        ("ceiling", "CrossEntropy", "FixedSchedule", None),
    ],
)
def test_gold_labels_are_taken_at_their_word(train, arm, loss, stopping, l2):
    done = train(arm, [4], strong=LOG_CONF)
    recipe = done.seen[0][0]
    assert (type(recipe.loss).__name__, recipe.training.stopping.type, recipe.l2) == (loss, stopping, l2)
    assert recipe.training.epochs == 3
    assert done.result.summary["loss"] == loss


def test_a_collapse_is_named_and_said(train):
    done = train("strong", [4], alarms=[Alarm(1, 0.0, 0.25)])
    assert done.result.summary["trained"][0]["collapsed"] == [
        {"class": "yes", "predicted": 0.0, "labels": 0.25}
    ]
    assert done.notes == [
        "the student all but gave up class yes: it predicts it for 0% of the training texts, their labels ask"
        " for 25%"
    ]


def test_answers_come_back_aligned_with_the_rows_that_are_asked_for(tmp_path):
    from w2s_trainer.stages.train.predictions import Predictions

    predictions = Predictions(EXAMPLES, "probabilities", EXAMPLES.rows("budget", "test"))
    rows = predictions.rows
    given = np.random.default_rng(0).dirichlet([1, 1], len(rows))
    predictions.add("strong", 0, 9, given)
    predictions.add("strong", 1, 9, given[::-1])
    predictions.write(tmp_path / "predictions.parquet")
    artifact = SimpleNamespace(stage="train", key="k", fetch=lambda name, _place: tmp_path / name)
    test = EXAMPLES.rows("test")
    found = read_predictions(artifact, test, EXAMPLES, tmp_path, "probabilities")
    assert found.keys() == {("strong", 9)}
    assert found["strong", 9][0] == pytest.approx(given[3:], abs=1e-6)
    assert found["strong", 9][1] == pytest.approx(given[::-1][3:], abs=1e-6)
    assert matrix(pq.read_table(tmp_path / "predictions.parquet")["probabilities"]).shape == (12, 2)


def test_who_was_not_asked_about_a_row_has_no_answers_where_it_is_wanted(tmp_path):
    from w2s_trainer.stages.train.predictions import Predictions

    test, every = EXAMPLES.rows("test"), EXAMPLES.rows("budget", "test")
    predictions = Predictions(EXAMPLES, "probabilities", every)
    given = np.random.default_rng(0).dirichlet([1, 1], len(every))
    predictions.add("gold-only", 0, 2, given[:3][::-1], rows=test)
    predictions.add("gold-only", 0, 3, given)
    predictions.write(tmp_path / "predictions.parquet")
    artifact = SimpleNamespace(stage="train", key="k", fetch=lambda name, _place: tmp_path / name)
    of_test = read_predictions(artifact, test, EXAMPLES, tmp_path, "probabilities")
    assert of_test["gold-only", 2][0] == pytest.approx(given[:3][::-1], abs=1e-6)
    assert of_test["gold-only", 3][0] == pytest.approx(given[3:], abs=1e-6)
    assert read_predictions(artifact, every, EXAMPLES, tmp_path, "probabilities").keys() == {("gold-only", 3)}
