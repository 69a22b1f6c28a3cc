"""`train`: the students of every arm and seed, and what they say of the test and the budget."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from w2s_api.spec.task import ClassLabel
from w2s_trainer.contract.context import StageContext, StageResult
from w2s_trainer.errors import BadData
from w2s_trainer.models.features import features_of, text_features
from w2s_trainer.models.head import normalise
from w2s_trainer.stages.budget import draw
from w2s_trainer.stages.tables import (
    EVERY_SEED,
    NO_GOLD,
    Examples,
    lists,
    of_seed,
    read_examples,
    read_gold,
    read_labels,
    read_selection,
    write_table,
)
from w2s_trainer.stages.train.arms import as_many, curve_sizes, gold_set, weak_set
from w2s_trainer.stages.train.head import Arm, Fitted, fit_arms
from w2s_trainer.stages.train.untouched import similarity_probabilities


def run(context: StageContext) -> StageResult:
    """Computes the features once, fits a head per arm and seed, writes heads and predictions."""
    spec = context.spec
    examples = read_examples(context.needs["prepare"], context.scratch)
    arms = _arms(context, examples)

    features = features_of(context, spec.strong.model.uri, spec.strong.max_tokens, spec.strong.batch_tokens)
    asked = examples.rows("budget", "test")
    heads: dict[str, NDArray[np.float32]] = {}
    rows: list[dict[str, Any]] = []
    fitted: list[Fitted] = []
    largest = max((len(arm.data) for arm in arms if arm.name == "direct"), default=0)
    for result in fit_arms(
        arms,
        features.matrix,
        examples.families,
        lambda done, total: context.progress("fitting heads", done, total),
    ):
        fitted.append(result)
        probabilities = result.head.probabilities(features.matrix[asked])
        rows.append(_predictions(result.arm, result.seed, result.size, examples, asked, probabilities))
        if result.arm != "direct" or result.size == largest:
            name = f"{result.arm}.{result.seed}"
            heads[f"{name}.weight"] = np.ascontiguousarray(result.head.weight, dtype=np.float32)
            heads[f"{name}.bias"] = np.ascontiguousarray(result.head.bias, dtype=np.float32)
    if "Untouched" in spec.evaluation.controls:
        descriptions = text_features(
            context, spec.strong.model.uri, spec.strong.max_tokens, [_describe(c) for c in spec.task.classes]
        )
        probabilities = similarity_probabilities(normalise(features.matrix[asked]), descriptions)
        rows.append(_predictions("untouched", EVERY_SEED, 0, examples, asked, probabilities))

    save_file(heads, context.output / "heads.safetensors")
    columns = {name: np.concatenate([part[name] for part in rows]) for name in ("arm", "seed", "size", "id")}
    columns["probabilities"] = lists(np.concatenate([part["probabilities"] for part in rows]))
    write_table(columns, context.output / "predictions.parquet")

    sizes = {arm: max(r.size for r in fitted if r.arm == arm) for arm in dict.fromkeys(r.arm for r in fitted)}
    summary = {
        "arms": [*sizes, *(["untouched"] if "Untouched" in spec.evaluation.controls else [])],
        "examples": sizes,
        "truncated": features.truncated,
        "features": {"dimension": int(features.matrix.shape[1]), "key": features.key},
        "directL2": {str(r.seed): r.l2 for r in fitted if r.arm == "direct" and r.size == largest},
        "l2": _strength(context),
        "model": spec.strong.model.uri,
    }
    return StageResult(summary, {"examples": sizes, "truncated": features.truncated})


def _arms(context: StageContext, examples: Examples) -> list[Arm]:
    spec, prepared = context.spec, context.needs["prepare"]
    k, controls = len(spec.task.classes), set(spec.evaluation.controls)
    labels = read_labels(context.needs["aggregate"], examples, context.scratch)
    selection = read_selection(context.needs["select"], examples, context.scratch)
    hard = bool(spec.strong.loss.cross_entropy and spec.strong.loss.cross_entropy.targets == "Hard")
    l2 = _strength(context)
    pool = examples.rows("pool")
    arms = []

    for seed in sorted(selection):
        weak = of_seed(labels, seed)
        rows, weights = selection[seed]
        if not len(rows):
            raise BadData(
                "NothingToTrainOn",
                "No unlabelled text has a weak label.",
                "Let the labelers vote on more texts, or add one that always answers.",
            )
        arms.append(Arm("strong", seed, weak_set(rows, weak.probabilities[rows], weights, hard), l2))
        if "Unfiltered" in controls and spec.selection.steps:
            voted = pool[~weak.abstain[pool]]
            kept = weak_set(voted, weak.probabilities[voted], np.ones(len(voted)), hard)
            arms.append(Arm("unfiltered", seed, kept, l2))

    if "Direct" in controls:
        gold = read_gold(prepared, "budget", examples, context.scratch)
        budget = examples.rows("budget")
        ids = [examples.ids[row] for row in budget]
        for seed in range(spec.evaluation.seeds):
            drawn = budget[draw(ids, gold[budget], spec.data.gold_budget, seed)]
            for size in curve_sizes(len(drawn)):
                part = drawn[:size]
                arms.append(Arm("direct", seed, gold_set(part, gold[part], k), None))

    if spec.evaluation.ceiling:
        gold = read_gold(prepared, "pool", examples, context.scratch)
        known = pool[gold[pool] != NO_GOLD]
        ids = [examples.ids[row] for row in known]
        wanted = max(len(arm.data) for arm in arms if arm.name == "strong")
        for seed in range(spec.evaluation.seeds):
            part = known[as_many(ids, wanted, seed)]
            arms.append(Arm("ceiling", seed, gold_set(part, gold[part], k), None))
    return arms


def _strength(context: StageContext) -> float:
    head = context.spec.strong.tuning.head
    return float(head.l2 if head else "1")


def _describe(label: ClassLabel) -> str:
    return label.description or label.name


def _predictions(
    arm: str,
    seed: int,
    size: int,
    examples: Examples,
    rows: NDArray[np.int64],
    probabilities: NDArray[np.float64],
) -> dict[str, Any]:
    n = len(rows)
    return {
        "arm": np.full(n, arm, dtype=object),
        "seed": np.full(n, seed, dtype=np.int32),
        "size": np.full(n, size, dtype=np.int32),
        "id": np.array([examples.ids[row] for row in rows], dtype=object),
        "probabilities": probabilities,
    }
