"""A student from a manifest's settings on a real S3 server: stopped, harmed, gone on with elsewhere."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tiny_kit import CLASSES, LORA, LOSSES, some_labels, some_texts
from watched_kit import Watched

from w2s_api.spec import tuning
from w2s_api.spec.evaluation import Evaluation
from w2s_api.spec.privacy import Privacy
from w2s_api.spec.task import Task
from w2s_trainer.errors import BadSpec, Stopped
from w2s_trainer.families import classification
from w2s_trainer.families.task_family import TaskFamily
from w2s_trainer.models.layout import FREE_TEXT, layout_of
from w2s_trainer.stages import private as private_training
from w2s_trainer.stages import resumable, session
from w2s_trainer.stages.session import Recipe, tune_student
from w2s_trainer.store.checkpoints import Checkpoints, clear_checkpoints
from w2s_trainer.store.objects import Objects
from w2s_trainer.store.settings import Patience
from w2s_trainer.tuning.completion_objective import CompletionObjective, CompletionValidation
from w2s_trainer.tuning.completions import completions_of
from w2s_trainer.tuning.text_student import load_text_student
from w2s_trainer.tuning.training_set import TrainingSet

N = 24
HELD_OUT_OF_24 = 0.2


@dataclass
class Place:
    """One artifact's checkpoints, and machines that work on it one after the other."""

    objects: Objects
    home: str
    root: Path
    model: Path
    data: TrainingSet
    machines: int = 0

    def context(self, progress: Watched) -> Any:
        self.machines += 1
        scratch = self.root / str(self.machines)
        scratch.mkdir()
        return SimpleNamespace(
            objects=self.objects,
            store=SimpleNamespace(home_uri=lambda _kind, _key: self.home),
            job=SimpleNamespace(stage=SimpleNamespace(kind="train")),
            spec=SimpleNamespace(
                task=Task.model_validate({"classes": [{"name": name} for name in CLASSES]}),
                evaluation=Evaluation(),
            ),
            key="key",
            model=SimpleNamespace(directory=self.model, name=f"file://{self.model}"),
            progress=progress,
            scratch=scratch,
            cache=scratch / "cache",
            headway=lambda _step: None,
        )

    def tune(self, recipe: Recipe, *, stop_in: int | None = None) -> tuple[Any, Watched]:
        watched = Watched(stop_in)
        return tune_student(
            self.context(watched), recipe, some_texts(N), self.data, name="24", seed=3
        ), watched

    def saved(self) -> list[str]:
        return sorted(info.uri for info in self.objects.list(f"{self.home}checkpoints/24/"))

    def newest(self) -> Any:
        return Checkpoints(self.objects, self.home, "24").newest(self.root / "looked")


LABELS = some_labels(N)
DATA = TrainingSet(np.arange(N), LABELS.targets, LABELS.weights, np.arange(N) // 2)


@pytest.fixture
def recipe(tiny) -> Recipe:
    training = tuning.Training.model_validate(
        {
            "epochs": 2,
            "batchSize": 4,
            "dropout": "0.1",
            "stopping": {
                "type": "WeakValidation",
                "weakValidation": {"fraction": str(HELD_OUT_OF_24), "checks": 3},
            },
        }
    )
    return Recipe(
        max_tokens=64,
        batch_tokens=80,
        tuning=LORA,
        training=training,
        loss=LOSSES["LogConf"].settings,
        l2=0.3,
    )


@pytest.fixture
def new_place(embedded_s3, tiny, tmp_path) -> Callable[..., Place]:
    objects = Objects(embedded_s3.settings("s3://any"), Patience(0, 20))

    def new(model: str = "bert", data: TrainingSet = DATA) -> Place:
        home = f"{embedded_s3.new_bucket()}/w2s/artifacts/train/key1/"
        root = tmp_path / home.split("/")[2]
        root.mkdir()
        return Place(objects, home, root, tiny[model], data)

    return new


@pytest.fixture(autouse=True)
def float32(monkeypatch) -> None:
    """What this machine is fastest in is not what is tested here."""
    monkeypatch.setattr(resumable, "precision_of", lambda _device: "float32")


def assert_same(mine: Any, theirs: Any) -> None:
    assert mine.student.state().keys() == theirs.student.state().keys()
    for name, one in theirs.student.state().items():
        assert torch.equal(mine.student.state()[name], one), name
        assert torch.equal(mine.best[name], theirs.best[name]), name
    unlike = ("seconds", "joules")
    assert {k: v for k, v in mine.figures.items() if k not in unlike} == {
        k: v for k, v in theirs.figures.items() if k not in unlike
    }
    assert mine.alarms == theirs.alarms


def test_stopped_by_a_signal_it_goes_on_elsewhere_and_ends_bitwise_equal(new_place, recipe, monkeypatch):
    undisturbed, watched = new_place().tune(recipe)
    steps = watched.steps[-1]
    place = new_place()
    for stop in (1, 4, steps):
        with pytest.raises(Stopped, match=f"step {stop} of {steps}"):
            place.tune(recipe, stop_in=stop)
        assert place.newest().step == stop
        # The next machine has other habits; the training keeps those that it began with.
        torch.set_num_threads(2)
        monkeypatch.setattr(resumable, "precision_of", lambda _device: "bfloat16")
    found, watched = place.tune(recipe)
    assert watched.notes == [f"going on from step {steps}"]
    assert found.student.precision == "float32"
    assert torch.get_num_threads() == 1
    assert_same(found, undisturbed)


def test_an_ordered_training_that_is_stopped_goes_on_in_its_order(new_place, recipe):
    data = replace(DATA, confidence=DATA.targets.max(axis=1))
    ordered = replace(recipe, training=recipe.training.model_copy(update={"order": "EasyToHard"}))
    undisturbed, watched = new_place(data=data).tune(ordered)
    place = new_place(data=data)
    for stop in (2, watched.steps[-1] - 1):
        with pytest.raises(Stopped):
            place.tune(ordered, stop_in=stop)
    found, _ = place.tune(ordered)
    assert_same(found, undisturbed)
    by_lot, _ = new_place(data=data).tune(recipe)
    assert any(
        not torch.equal(one, found.student.state()[name]) for name, one in by_lot.student.state().items()
    )


def test_a_harmed_checkpoint_costs_its_steps_and_nothing_else(new_place, recipe):
    undisturbed, _ = new_place().tune(recipe)
    place = new_place()
    for stop in (3, 6):
        with pytest.raises(Stopped):
            place.tune(recipe, stop_in=stop)
    newest = next(uri for uri in place.saved() if "/6-" in uri and uri.endswith("state.safetensors"))
    data = bytearray(place.objects.read(newest))
    data[len(data) // 2] ^= 1
    place.objects.write(newest, bytes(data))
    found, watched = place.tune(recipe)
    assert watched.steps[0] == 3
    assert any("Passed over the checkpoint 6-" in note for note in watched.notes)
    assert_same(found, undisturbed)


def test_a_checkpoint_of_another_format_is_passed_over(new_place, recipe):
    undisturbed, _ = new_place().tune(recipe)
    place = new_place()
    for stop in (3, 6):
        with pytest.raises(Stopped):
            place.tune(recipe, stop_in=stop)
    newest = next(uri for uri in place.saved() if "/6-" in uri and uri.endswith("manifest.json"))
    manifest = json.loads(place.objects.read(newest))
    manifest["meta"] = {"format": 2, "made": "by a version to come"}
    place.objects.write(newest, json.dumps(manifest).encode())
    found, watched = place.tune(recipe)
    passed, went_on = watched.notes
    assert passed.startswith("Passed over the checkpoint 6-")
    assert passed.endswith(": it has format 2, and this version reads 1.")
    assert went_on == "going on from step 3"
    assert_same(found, undisturbed)


def test_saving_by_the_clock_keeps_the_newest_two(new_place, recipe, monkeypatch):
    monkeypatch.setattr(
        resumable,
        "StoreKeeper",
        lambda *given, **named: session_keeper(*given, **{**named, "interval": 0.0}),
    )
    place = new_place()
    found, watched = place.tune(recipe)
    manifests = [uri for uri in place.saved() if uri.endswith("/manifest.json")]
    assert len(manifests) == 2
    assert place.newest().step == watched.steps[-1] == found.figures["steps"]


session_keeper = resumable.StoreKeeper


def test_figures(new_place, recipe):
    found, watched = new_place().tune(recipe)
    figures = found.figures
    held_out = N - figures["texts"]
    assert HELD_OUT_OF_24 * N <= held_out < HELD_OUT_OF_24 * N + 2
    assert figures["steps"] == watched.steps[-1] == 2 * -(-figures["texts"] // 4)
    assert figures["precision"] == "float32"
    assert figures["parameters"] == sum(one.numel() for one in found.student.parameters().values())
    assert figures["best"]["step"] in watched.steps
    assert figures["seconds"] > 0


def test_without_weak_validation_every_text_is_trained_on_and_no_best_is_kept(new_place, recipe):
    fixed = replace(recipe, training=recipe.training.model_copy(update={"stopping": tuning.Stopping()}))
    found, _ = new_place().tune(fixed)
    assert found.best is None
    assert found.figures["texts"] == N
    assert found.figures["best"] is None


def test_on_gold_the_strength_of_the_head_is_cross_validated(new_place, recipe, monkeypatch):
    seen = {}

    def chosen(_features, labels, families, *, seed):
        seen.update(labels=labels.tolist(), families=families.tolist(), seed=seed)
        return 1.0

    monkeypatch.setattr(classification, "cross_validated_l2", chosen)
    fixed = recipe.training.model_copy(update={"stopping": tuning.Stopping()})
    new_place().tune(replace(recipe, l2=None, training=fixed))
    assert seen == {
        "labels": LABELS.targets.argmax(1).tolist(),
        "families": (np.arange(N) // 2).tolist(),
        "seed": 3,
    }


class Writing(TaskFamily):
    """A kind of task whose students write: what is asked of one while it is tuned."""

    def load_student(self, directory, name, **settings):
        return load_text_student(directory, name=name, **settings)

    def objective(self, student, texts, data, **_settings):
        return CompletionObjective(self._examples(student, texts, data), data.weights)

    def validation(self, student, texts, data, **_settings):
        return CompletionValidation(self._examples(student, texts, data), data.weights)

    def _examples(self, student, texts, data):
        layout = layout_of(student.tokenizer, "w1 w2", (), FREE_TEXT)
        return completions_of(student, layout, texts, data.targets.tolist())

    number = no_label = stored_gold = gold_targets = fit_head = choose_l2 = publish_head = load_predictor = (
        None
    )


def test_a_student_that_writes_goes_on_elsewhere_and_ends_bitwise_equal(new_place, recipe, monkeypatch):
    monkeypatch.setattr(session, "family_of", lambda spec: Writing(spec.task))
    words = np.array(some_texts(N, seed=7, longest=4), dtype=object)
    writing = replace(DATA, targets=words)
    undisturbed, watched = new_place("llama", writing).tune(recipe)
    assert undisturbed.figures["best"]["step"] in watched.steps
    assert undisturbed.alarms == []
    place = new_place("llama", writing)
    for stop in (1, 4):
        with pytest.raises(Stopped, match=f"step {stop} of"):
            place.tune(recipe, stop_in=stop)
    found, watched = place.tune(recipe)
    assert watched.notes == ["going on from step 4"]
    assert_same(found, undisturbed)


@pytest.fixture
def private(recipe) -> Recipe:
    fixed = recipe.training.model_copy(update={"stopping": tuning.Stopping()})
    promise = Privacy(epsilon="8", delta="0.001", clipNorm="0.5")
    return replace(recipe, training=fixed, loss=LOSSES["CrossEntropy"].settings, privacy=promise)


def test_a_private_student_goes_on_elsewhere_with_the_same_noise(new_place, private, monkeypatch):
    monkeypatch.setattr(private_training.secrets, "token_bytes", lambda size: b"s" * size)
    undisturbed, watched = new_place().tune(private)
    spent = undisturbed.figures["privacy"]
    assert 7.9 < spent["epsilon"] <= 8
    assert spent["steps"] == watched.steps[-1] == 12
    assert spent["sampleRate"] == pytest.approx(4 / N, abs=1e-6)
    place = new_place()
    for stop in (1, 7):
        with pytest.raises(Stopped, match=f"step {stop} of 12"):
            place.tune(private, stop_in=stop)
        monkeypatch.setattr(private_training.secrets, "token_bytes", lambda size: b"t" * size)
    found, _ = place.tune(private)
    for name, one in undisturbed.student.state().items():
        assert torch.equal(found.student.state()[name], one), name
    assert found.figures["privacy"] == spent


def test_what_noise_is_drawn_from_is_nobody_s_and_leaves_with_the_checkpoints(new_place, private):
    first, second = new_place(), new_place()
    students = [place.tune(private)[0].student.state() for place in (first, second)]
    assert any(not torch.equal(students[0][name], students[1][name]) for name in students[0])
    secret = f"{first.home}checkpoints/noise.bin"
    assert len(first.objects.read(secret)) == 32
    clear_checkpoints(first.objects, first.home)
    assert secret not in [info.uri for info in first.objects.list(first.home)]


def test_a_private_student_starts_from_nothing_that_its_texts_say(new_place, private, monkeypatch):
    monkeypatch.setattr(
        classification.Classification, "start_student", lambda *_given, **_more: pytest.fail("read")
    )
    first, _ = new_place().tune(private)
    assert first.figures["firstLoss"] == pytest.approx(np.log(3), abs=0.3)


def test_what_cannot_be_kept_is_refused_before_a_step(new_place, private):
    place = new_place()
    asked = replace(private, privacy=Privacy(epsilon="0.01", delta="0.000001"))
    training = asked.training.model_copy(update={"epochs": 1000, "batch_size": 24})
    with pytest.raises(BadSpec, match="over 1,000 steps of 24 of 24 texts") as error:
        place.tune(replace(asked, training=training))
    assert error.value.reason == "PrivacyOutOfReach"
    assert "Raise `epsilon`" in str(error.value)


def test_a_delta_that_says_nothing_for_so_many_texts_is_refused(private):
    with pytest.raises(BadSpec, match=r"Set it below 0\.005000") as error:
        private_training.noise_for(Privacy(epsilon="8", delta="0.01"), private.training, 200)
    assert error.value.reason == "DeltaTooLarge"
