"""The student of a round of self-training, for all seeds: heads on features that are computed once."""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.arms import ARMS
from w2s_trainer.contract.context import StageContext, StageResult
from w2s_trainer.families import family_of
from w2s_trainer.models.head import Head
from w2s_trainer.stages.combine.sources import CombinedSources
from w2s_trainer.stages.label.opinion import teaching_budget
from w2s_trainer.stages.tables import read_examples, unread
from w2s_trainer.stages.train.heads import Heads, arrays_of, named, read_heads, write_heads
from w2s_trainer.stages.train.predictions import Predictions
from w2s_trainer.stages.train.self_training import Round, Teach, last_accepted, train_round
from w2s_trainer.tuning.training_set import TrainingSet


def train_rounds(context: StageContext) -> StageResult:
    """Teaches the student of the stage's round for each seed, writes heads and predictions."""
    spec, family, arm = context.spec, family_of(context.spec), ARMS[context.job.stage.arm or ""]
    assert arm.round is not None
    examples = read_examples(context.artifact("examples"), context.scratch)
    known = CombinedSources(context, examples)
    features = known.read
    before = _Before(context)
    predictions = Predictions(examples, family.label_column, examples.rows("budget", "test"))
    asked = features.matrix[predictions.rows]
    heads: dict[str, NDArray[np.float32]] = {}
    losses: dict[str, list[float]] = {}
    seconds: list[float] = []
    for seed in range(spec.evaluation.seeds):
        context.progress("teaching students", seed, spec.evaluation.seeds)
        began = time.monotonic()
        drawn = teaching_budget(context, examples, known.gold, seed)
        shown = known.shown(drawn, seed)
        taught = train_round(known, drawn, shown, seed, _teacher(context, known), before.of(seed))
        seconds.append(round(time.monotonic() - began, 3))
        predictions.add(arm.name, seed, len(known.pool), taught.student.probabilities(asked))
        heads |= named(arm.name, seed, vars(taught.student))
        for fold, head in taught.without.items():
            heads |= named(_without(arm.name, fold), seed, vars(head))
        losses[str(seed)] = list(taught.losses)
    context.progress("teaching students", spec.evaluation.seeds, spec.evaluation.seeds)
    write_heads(heads, context.output)
    predictions.write(context.output / "predictions.parquet")
    accepted = {seed: last_accepted(of_seed, arm.round) for seed, of_seed in losses.items()}
    sizes = {arm.name: len(known.pool)}
    summary: dict[str, Any] = {
        "arm": arm.name,
        "arms": [arm.name],
        "examples": sizes,
        "truncated": features.truncated,
        "unreadable": features.unreadable,
        "features": {"dimension": int(features.matrix.shape[1]), "key": features.key},
        "l2": _strength(context),
        "model": context.model.name,
        "tuning": "Head",
        "seconds": {"reading": features.seconds, "fitting": {arm.name: seconds}},
        "heldOutLogLoss": losses,
        "accepted": accepted,
    }
    figures = {"examples": sizes, "truncated": features.truncated, **unread(features.unreadable)}
    return StageResult(summary, figures)


def _teacher(context: StageContext, known: CombinedSources) -> Teach:
    """Fits heads as strong as `strong` on labels of the pool."""
    family, l2, pool = family_of(context.spec), _strength(context), known.pool
    features, families = known.features[pool], known.examples.families[pool]
    hard = context.spec.strong.loss.settings.hard

    def teach(labels: NDArray[np.float64]) -> Head:
        targets = family.hard_targets(labels) if hard else labels
        data = TrainingSet(pool, targets, np.ones(len(pool)), families)
        return Head(**family.fit_head(features, data, l2).arrays)

    return teach


class _Before:
    """What the round before left, if there was one."""

    def __init__(self, context: StageContext) -> None:
        self._heads: Heads | None = None
        if "round" in context.job.stage.roles:
            artifact = context.artifact("round")
            self._heads = read_heads(artifact, context.scratch)
            self._arm = str(artifact.summary["arm"])
            self._losses = artifact.summary["heldOutLogLoss"]

    def of(self, seed: int) -> Round | None:
        if self._heads is None:
            return None
        start, end = _without(self._arm, ""), f".{seed}.bias"
        folds = [
            int(name.removeprefix(start).removesuffix(end))
            for name in self._heads
            if name.startswith(start) and name.endswith(end)
        ]
        return Round(
            self._head(self._arm, seed),
            {fold: self._head(_without(self._arm, fold), seed) for fold in folds},
            tuple(self._losses[str(seed)]),
        )

    def _head(self, name: str, seed: int) -> Head:
        assert self._heads is not None
        return Head(**arrays_of(self._heads, name, seed))


def _without(arm: str, fold: int | str) -> str:
    """What the head of a round is called that was taught without a fold of the gold budget."""
    return f"{arm}-without-{fold}"


def _strength(context: StageContext) -> float:
    return float(context.spec.strong.tuning.head_settings.l2)
