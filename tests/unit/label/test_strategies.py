"""Retrieved shots, several ways to ask, and which of them is taken: rules, and a `label` stage with a tiny causal model."""

import io
import json
import os
import signal
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from label_kit import Told
from memory_objects import MemoryObjects
from tiny_kit import WORDS, save_tiny

from w2s_api.methods.labelers.prompted import PromptStrategy
from w2s_api.pipeline import pipeline
from w2s_api.spec.job import Spec
from w2s_trainer.contract.context import StageContext
from w2s_trainer.contract.job import StageJob
from w2s_trainer.errors import BadSpec, Stopped
from w2s_trainer.models.head import folds_of
from w2s_trainer.stages import label
from w2s_trainer.stages.label import calibration, saved_answers
from w2s_trainer.stages.label.methods import Published, answer, tell
from w2s_trainer.stages.label.nearest import Neighbours
from w2s_trainer.stages.label.strategy import can_choose, choice_of, held_out_losses
from w2s_trainer.stages.label.summary import whole_summary
from w2s_trainer.stages.tables import matrix, write_table
from w2s_trainer.store.artifacts import Artifact, ArtifactStore

NAMES = ["w46", "w47"]
BUDGET, POOL, TEST = 24, 10, 4
PARTS = np.array(["budget"] * BUDGET + ["pool"] * POOL + ["test"] * TEST)
FAMILIES = np.arange(len(PARTS))
FAMILIES[1] = 0  # near duplicates in the budget
NEAREST = {"shots": 2, "shotSelection": "Nearest"}
SWEEP = {"strategies": [{}, {"shots": 2}, NEAREST, {"instruction": "w30 w31"}]}
REASONED = {"reasoningTokens": 6}


def texts() -> list[str]:
    rng = np.random.default_rng(1)
    written = [" ".join(rng.choice(WORDS[:40], size=rng.integers(2, 6))) for _ in PARTS]
    written[1] = f"{written[0]} w39"
    return written


class StopsAt(Told):
    """Asks this process to stop as soon as so many steps of a phase are done."""

    def __init__(self, phase: str, step: int) -> None:
        super().__init__()
        self.at: tuple[str, int] | None = (phase, step)

    def __call__(self, phase: str, step: int, total: int) -> None:
        super().__call__(phase, step, total)
        if self.at and phase == self.at[0] and step >= self.at[1]:
            self.at = None
            os.kill(os.getpid(), signal.SIGTERM)


@dataclass
class Bench:
    """A `prepare` artifact made by hand, a tiny causal model, and a store in memory."""

    directory: Path
    model: Path
    gold: np.ndarray = field(default_factory=lambda: np.array([0, 1, 1, 0] * 10)[: len(PARTS)])
    budget: int = BUDGET
    drawn: int = 20
    objects: MemoryObjects = field(default_factory=MemoryObjects)
    told: Told = field(default_factory=Told)

    def __post_init__(self) -> None:
        ids = [f"id-{number}" for number in range(len(PARTS))]
        budget = np.flatnonzero(PARTS == "budget")[: self.budget]
        with ArtifactStore(self.objects, "s3://bkt").begin("prepare", "made-by-hand") as attempt:
            parts = np.where((PARTS == "budget") & ~np.isin(np.arange(len(PARTS)), budget), "pool", PARTS)
            columns = {"id": ids, "text": texts(), "part": parts, "family": FAMILIES}
            write_table(columns, attempt.directory / "examples.parquet")
            write_table(
                {"id": [ids[row] for row in budget], "label": self.gold[budget]},
                attempt.directory / "gold-budget" / "labels.parquet",
            )
            self.prepared = attempt.commit({}, {})

    def context(
        self, seeds: int = 2, shard: tuple[int, int] = (0, 1), calibration: str = "None", **settings: Any
    ) -> StageContext:
        labeler = {"name": "asked", "type": "Prompted", "calibration": calibration, "shards": shard[1]}
        prompted = {"model": {"uri": f"file://{self.model}"}, "maxTokens": 16, "prior": "None", **settings}
        spec = Spec.model_validate(
            {
                "task": {"classes": [{"name": name} for name in NAMES], "instruction": "w40 w41"},
                "data": {
                    "unlabeled": {"uri": "s3://x/pool.jsonl"},
                    "gold": {"uri": "s3://x/gold.jsonl"},
                    "goldBudget": min(self.budget, self.drawn),
                },
                "storage": {"uri": "s3://bkt"},
                "weak": {"labelers": [{**labeler, "batchTokens": 128, "prompted": prompted}]},
                "strong": {"model": {"uri": "py://some-encoder"}},
                "evaluation": {"seeds": seeds},
            }
        )
        (stage,) = (one for one in pipeline(spec) if one.name == "label-asked")
        scratch = self.directory / "scratch"
        scratch.mkdir(exist_ok=True)
        return StageContext(
            job=StageJob("tests", "bench", spec, stage, stage.key),
            objects=self.objects,
            store=ArtifactStore(self.objects, "s3://bkt"),
            progress=self.told,  # type: ignore[arg-type]
            output=self.directory,
            scratch=scratch,
            cache=self.directory,
            needs={"prepare": self.prepared},
            shard=shard,
            key=stage.key,
        )

    def label(self, context: StageContext) -> Artifact:
        """As the stage's process does it."""
        part = context.shard if context.shard[1] > 1 else None
        with context.store.begin("label", context.key, shard=part) as attempt:
            result = label.run(replace(context, output=attempt.directory))
            artifact = attempt.commit(result.summary, {})
        label.publish(context.job, self.objects, context.store, artifact)
        return artifact

    def labels(self, **settings: Any) -> dict[int, np.ndarray]:
        return table(self.label(self.context(**settings)))


def table(artifact: Artifact) -> dict[int, np.ndarray]:
    """Probabilities by seed, in the order of the texts."""
    found: dict[int, dict[int, np.ndarray]] = {}
    for name in sorted(name for name in artifact.files if name.startswith("labels")):
        read = pq.read_table(io.BytesIO(artifact.read(name)))
        values = matrix(read["probabilities"])
        for row, seed, value in zip(read["id"].to_pylist(), read["seed"].to_pylist(), values, strict=True):
            found.setdefault(seed, {})[int(row.removeprefix("id-"))] = value
    return {seed: np.array([by_row[row] for row in sorted(by_row)]) for seed, by_row in found.items()}


@pytest.fixture(scope="module")
def llama(tmp_path_factory) -> Path:
    directory = save_tiny("llama", tmp_path_factory.mktemp("llama"))
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 96}))
    return directory


@pytest.fixture
def bench(tmp_path, llama) -> Bench:
    return Bench(tmp_path, llama)


@pytest.fixture(autouse=True)
def one_thread():
    """So small is the model that threads only wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def strategy(**settings: Any) -> PromptStrategy:
    return PromptStrategy.model_validate(settings)


def test_the_nearest_come_last_and_none_of_the_same_family():
    budget = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.9, 0.1]])
    neighbours = Neighbours.of(budget, np.zeros(2))
    asked = np.array([[2.0, 0.1], [0.1, 5.0]])
    assert neighbours.nearest(asked, 2).tolist() == [
        [1, 0],
        [1, 2],
    ]  # 1 and 3 are the same: 1 was drawn first
    own = np.array([7, 8, 9, 7])
    assert neighbours.nearest(asked, 2, np.array([7, 9]), own).tolist() == [[2, 1], [3, 1]]


def test_what_all_texts_have_in_common_tells_none_from_another():
    budget, asked = np.array([[10.0, 1.0], [20.0, -1.0]]), np.array([[10.05, 0.1]])
    assert Neighbours.of(budget, np.zeros(2)).nearest(asked, 1).tolist() == [[1]]
    assert Neighbours.of(budget, np.array([10.0, 0.0])).nearest(asked, 1).tolist() == [[0]]


@pytest.mark.parametrize(
    ("losses", "chosen"),
    [
        ([0.7, 0.6, 0.5, 0.9], 2),
        ([0.6, 0.7, 0.6004, 0.6], 0),  # the same to three decimals
        ([0.9, 0.6, 0.6, 0.8], 1),  # drawn shots are cheaper than as many nearest ones
        ([0.9, 0.6, 0.9, 0.6], 3),  # and other words are cheaper than shots
    ],
)
def test_the_smallest_loss_is_taken_and_of_ties_the_cheapest(losses, chosen):
    tried = [strategy(), strategy(shots=2), strategy(**NEAREST), strategy(instruction="x")]
    assert choice_of(tried, losses, 20).place == chosen


def test_few_texts_or_one_family_choose_nothing():
    assert can_choose(np.arange(16))
    assert not can_choose(np.arange(15))
    assert not can_choose(np.zeros(40, dtype=np.int64))


def test_a_loss_is_of_labels_that_no_correction_has_seen():
    rng = np.random.default_rng(0)
    labels, families = rng.integers(0, 2, 40), np.arange(40) // 2
    scores = rng.normal(size=(40, 2))
    seen: list[list[int]] = []

    def shift_of(others: np.ndarray) -> np.ndarray:
        seen.append(others.tolist())
        return np.zeros(2)

    losses = held_out_losses(scores, labels, families, 3, shift_of)
    fold = folds_of(families, 3, 5)
    assert seen == [labels[fold != number].tolist() for number in range(5)]
    first = np.flatnonzero(fold == 0)
    flipped = labels.copy()
    flipped[first[0]] = 1 - flipped[first[0]]
    again = held_out_losses(scores, flipped, families, 3, shift_of)
    same = np.setdiff1d(first, first[:1])
    assert again[same] == pytest.approx(losses[same], abs=1e-12)
    assert again[first[0]] != pytest.approx(losses[first[0]])


def test_how_sure_a_prompt_sounds_does_not_choose_it():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    knows = np.eye(2)[np.where(rng.random(200) < 0.8, labels, 1 - labels)]
    guesses = np.eye(2)[np.where(rng.random(200) < 0.6, labels, 1 - labels)]
    sure, unsure, worse = (
        held_out_losses(scores, labels, np.arange(200), 0, lambda _labels: np.zeros(2)).mean()
        for scores in (knows * 20, knows * 0.5, guesses * 2.0)
    )
    assert sure == pytest.approx(unsure, abs=5e-3)
    assert sure + 0.03 < worse


def test_the_nearest_shots_of_a_text_are_not_its_own_nor_of_its_family(llama, tmp_path):
    """Its expert label changes what is said of others, and never what is said of itself."""
    found, reached = None, 0
    for row in (None, 0, 9, 14):
        (tmp_path / str(row)).mkdir()
        gold = np.array([0, 1, 1, 0] * 10)[: len(PARTS)]
        if row is not None:
            gold[row] = 1 - gold[row]
        bench = Bench(tmp_path / str(row), llama, gold, drawn=BUDGET)
        said = bench.labels(seeds=1, **NEAREST)[0]
        if row is None:
            found = said
            continue
        reached += int((np.abs(said - found).max(axis=1) > 1e-4).sum())
        kept = np.flatnonzero(FAMILIES[row] == FAMILIES)
        assert said[kept] == pytest.approx(found[kept], abs=1e-6)
    assert reached


def test_all_of_the_budget_remains_to_calibrate_on(bench, monkeypatch):
    fitted_on: list[int] = []
    monkeypatch.setattr(
        calibration, "fit_temperature", lambda _said, labels: fitted_on.append(len(labels)) or 1.0
    )
    bench.label(bench.context(calibration="Temperature", **NEAREST))
    assert fitted_on == [20, 20]


@pytest.mark.parametrize(
    "settings",
    [
        NEAREST,
        {**NEAREST, "prior": "Gold"},
        {**SWEEP, "prior": "Uniform"},
        REASONED,
        {"strategies": [{"shots": 2}, REASONED]},
    ],
)
def test_labels_of_shards_are_those_of_the_whole(bench, llama, tmp_path, settings, summary_is_documented):
    whole = bench.label(bench.context(**settings))
    summary_is_documented(whole.summary, "label", "label of type Prompted")
    (tmp_path / "parts").mkdir()
    other = Bench(tmp_path / "parts", llama)
    for index in range(3):
        part = other.label(other.context(shard=(index, 3), **settings))
    for seed, found in table(whole).items():
        assert table(part)[seed] == pytest.approx(found, abs=1e-5)
    together = whole_summary(part.summary)
    for figure in (
        "rows",
        "truncated",
        "orderSensitive",
        "prompt",
        *(["strategy"] if "strategies" in settings else []),
    ):
        assert together[figure] == whole.summary[figure]


def test_each_seed_takes_the_best_strategy_and_its_labels_are_those_of_that_alone(bench):
    artifact = bench.label(bench.context(seeds=3, **SWEEP))
    chosen = artifact.summary["strategy"]
    assert set(chosen) == {"0", "1", "2"}
    alone = [bench.labels(seeds=3, **one) for one in ({}, {"shots": 2}, NEAREST)]
    for seed, choice in chosen.items():
        assert choice["tried"] == ["no shots", "2 drawn shots", "2 nearest shots", "no shots, in other words"]
        assert 17 <= choice["texts"] <= 18  # of 20, without two shots and what is of their families
        losses = choice["heldOutLogLoss"]
        assert min(losses) < max(losses)
        assert choice["chosen"] == losses.index(min(losses))
        if choice["chosen"] < 3:
            labels = alone[choice["chosen"]]
            assert table(artifact)[int(seed)] == pytest.approx(
                labels.get(int(seed), labels.get(-1)), abs=1e-5
            )
    assert len({choice["chosen"] for choice in chosen.values()} & {0, 1, 2}) > 0
    context = bench.context(seeds=3, **SWEEP)
    bench.told.clear()
    assert tell(context, context.spec.weak.labelers[0], artifact.summary) == 0
    assert bench.told[0].startswith("asked: seed 0 takes ")
    assert "log loss out of fold on 1" in bench.told[0]


def test_a_budget_that_is_too_small_takes_the_first_strategy(tmp_path, llama):
    bench = Bench(tmp_path, llama, budget=12)
    artifact = bench.label(bench.context(seeds=1, strategies=[{"shots": 2}, {}]))
    assert artifact.summary["strategy"]["0"] == {
        "tried": ["2 drawn shots", "no shots"],
        "chosen": 0,
        "texts": 10,
        "heldOutLogLoss": [],
    }
    assert table(artifact)[0] == pytest.approx(bench.labels(seeds=1, shots=2)[0], abs=1e-5)
    context = bench.context(seeds=1)
    tell(context, context.spec.weak.labelers[0], artifact.summary)
    assert bench.told[-1].endswith("the first, since 10 texts of the budget are too few to choose on")


@pytest.mark.parametrize(
    ("settings", "phase", "step"),
    [
        (NEAREST, "asking the model", 30),
        (SWEEP, "trying strategies", 60),
        (SWEEP, "asking the model", 8),
        (REASONED, "asking the model", 20),
        (REASONED, "asking the model", 60),
    ],
)
def test_interrupted_labelling_goes_on_where_it_was(
    bench, llama, tmp_path, monkeypatch, settings, phase, step
):
    monkeypatch.setattr(saved_answers, "SMALL", 0.0)
    undisturbed = bench.label(bench.context(**settings))
    (tmp_path / "disturbed").mkdir()
    other = Bench(tmp_path / "disturbed", llama, told=StopsAt(phase, step))
    with pytest.raises(Stopped):
        other.label(other.context(**settings))
    other.told = Told()
    resumed = other.label(other.context(**settings))
    assert any(note.startswith("going on from") for note in other.told)
    for name in undisturbed.files:
        assert resumed.read(name) == undisturbed.read(name)
    assert resumed.summary == undisturbed.summary


@pytest.mark.parametrize(
    "settings", [NEAREST, SWEEP, {"strategies": [NEAREST, {**NEAREST, "shots": 3}]}, REASONED]
)
def test_what_is_published_answers_as_the_labeler_did(bench, settings):
    artifact = bench.label(bench.context(seeds=1, **settings))
    left = bench.directory / "left"
    for name in artifact.files:
        if name.startswith("labeler/"):
            (left / name).parent.mkdir(parents=True, exist_ok=True)
            (left / name).write_bytes(artifact.read(name))
    context = bench.context(seeds=1, **settings)
    rows = np.flatnonzero(PARTS != "budget")
    published = Published(
        SimpleNamespace(task=context.spec.task),  # type: ignore[arg-type]
        lambda _uri: bench.model,
        left / "labeler",
    )
    said = answer(context.spec.weak.labelers[0], [texts()[row] for row in rows], published)
    assert said.targets == pytest.approx(min(table(artifact).items())[1][rows], abs=1e-5)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"shots": 21}, "`shots` is 21, but the gold budget of seed 0 has 20 texts."),
        (
            {**NEAREST, "shots": 20},
            "`shots` is 20, but the gold budget of seed 0 has 20 texts, up to . of one family, and the nearest shots",
        ),
        ({"strategies": [{}, {"shots": 21}]}, "`shots` is 21, but the gold budget"),
        ({"strategies": [{}, {**NEAREST, "shots": 20}]}, "the nearest shots of a text are of other families"),
        ({"reasoningTokens": 80}, r"A prompt for .* tokens, the model reads 96: "),
        ({**NEAREST, "shots": 12}, r"A prompt for .* tokens, the model reads 96: \d+ are the question"),
        (
            {"calibration": "Temperature", "strategies": [{}, {"shots": 20}]},
            "the shots are the whole gold budget",
        ),
    ],
)
def test_what_cannot_be_asked_is_one_clear_line(bench, settings, said):
    with pytest.raises(BadSpec, match=said) as raised:
        bench.label(bench.context(**settings))
    assert "\n" not in raised.value.message
    assert raised.value.hint
    assert not any(phase in ("asking the model", "trying strategies") for phase, *_ in bench.told.steps)
