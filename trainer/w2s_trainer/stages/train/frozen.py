"""Arms on the frozen model: features are computed once, and every arm and seed is a head on them."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.arms import ARMS, arms_of, is_on_gold, on_frozen_model
from w2s_trainer.contract.context import StageContext, StageResult
from w2s_trainer.families import family_of
from w2s_trainer.stages.features import Features, features_of
from w2s_trainer.stages.tables import EVERY_SEED, read_examples, unread
from w2s_trainer.stages.train.head import Fitted, HeadToFit, fit_heads_of
from w2s_trainer.stages.train.heads import named, write_heads
from w2s_trainer.stages.train.predictions import Predictions
from w2s_trainer.stages.train.sets import TrainingSets
from w2s_trainer.stages.train.zero_shot import zero_shot_answers


def fit_heads(context: StageContext) -> StageResult:
    """Fits a head per arm and seed, writes heads and predictions."""
    spec = context.spec
    examples = read_examples(context.artifact("examples"), context.scratch)
    to_fit = list(_arms(context, TrainingSets(context, examples)))
    family = family_of(spec)
    zero_shot = ARMS["zero-shot"].absent(spec) is None and context.job.stage.arm is None

    clock = time.monotonic
    features = features_of(context, spec.strong.max_tokens, spec.strong.batch_tokens)
    predictions = Predictions(examples, family.label_column, examples.rows("budget", "test"))
    asked = features.matrix[predictions.rows]
    heads: dict[str, NDArray[np.float32]] = {}
    fitted: list[Fitted] = []
    seconds: dict[str, list[float]] = {}
    began = clock()
    largest = max((len(head.data) for head in to_fit if head.arm == "gold-only"), default=0)
    for result in fit_heads_of(
        to_fit,
        features.matrix,
        family,
        lambda done, total: context.progress("fitting heads", done, total),
    ):
        fitted.append(result)
        seconds.setdefault(result.arm, []).append(round(clock() - began, 3))
        predictions.add(result.arm, result.seed, result.size, result.head.answers(asked))
        if result.arm != "gold-only" or result.size == largest:
            heads |= named(result.arm, result.seed, result.head.arrays)
        began = clock()
    if zero_shot:
        answers = zero_shot_answers(context, examples, predictions.rows, asked)
        predictions.add("zero-shot", EVERY_SEED, 0, answers)

    write_heads(heads, context.output)
    predictions.write(context.output / "predictions.parquet")
    return _result(context, fitted, features, largest, zero_shot, seconds)


def _arms(context: StageContext, sets: TrainingSets) -> Iterator[HeadToFit]:
    """Yields a head to fit for each arm and seed; on gold labels its strength is cross-validated."""
    spec, l2 = context.spec, _strength(context)
    gradient_tuned = not spec.strong.tuning.settings.on_frozen_model
    alone = context.job.stage.arm
    arms = [
        arm
        for arm in arms_of(spec)
        if arm.learns_from is not None
        and (arm.name == alone if alone else on_frozen_model(arm, gradient_tuned))
    ]
    for on_gold, seeds in ((False, sets.seeds), (True, range(spec.evaluation.seeds))):
        for seed in seeds if any(is_on_gold(arm) is on_gold for arm in arms) else ():
            for arm in arms:
                if is_on_gold(arm) is on_gold:
                    strength = None if on_gold else l2
                    yield from (HeadToFit(arm.name, seed, part, strength) for part in sets.of(arm, seed))


def _result(
    context: StageContext,
    fitted: list[Fitted],
    features: Features,
    largest: int,
    zero_shot: bool,
    seconds: dict[str, list[float]],
) -> StageResult:
    sizes = {arm: max(r.size for r in fitted if r.arm == arm) for arm in dict.fromkeys(r.arm for r in fitted)}
    summary: dict[str, Any] = {
        "arms": [*sizes, *(["zero-shot"] if zero_shot else [])],
        "examples": sizes,
        "truncated": features.truncated,
        "unreadable": features.unreadable,
        "features": {"dimension": int(features.matrix.shape[1]), "key": features.key},
        "goldOnlyL2": {str(r.seed): r.l2 for r in fitted if r.arm == "gold-only" and r.size == largest},
        "l2": _strength(context),
        "model": context.model.name,
        "tuning": "Head",
        "seconds": {"reading": features.seconds, "fitting": seconds},
    }
    if context.job.stage.arm:
        summary["arm"] = context.job.stage.arm
    figures = {"examples": sizes, "truncated": features.truncated, **unread(features.unreadable)}
    return StageResult(summary, figures)


def _strength(context: StageContext) -> float:
    return float(context.spec.strong.tuning.head_settings.l2)
