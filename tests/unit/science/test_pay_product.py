"""The product's facts are the study's: every predictor of the failure map has the same value in both."""

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import pytest
from does_it_pay import known_beforehand as study
from does_it_pay import predictors

from w2s_api.spec.job import Spec
from w2s_trainer.families import family_of
from w2s_trainer.report.failure_map import PREDICTORS, predictors_of
from w2s_trainer.stages.beforehand import Labelled, facts
from w2s_trainer.stages.budget import draw
from w2s_trainer.stages.tables import EVERY_SEED, Examples, WeakLabels, of_seed

CLASSES, BUDGET, SEEDS = ("a", "b", "c"), 40, 3
PARTS = ["pool"] * 200 + ["budget"] * 90 + ["test"] * 50


def spec(labelers: int, **labeler: object) -> Spec:
    rules = {
        "type": "Functions",
        "functions": {"rules": [{"className": name, "keywords": [name]} for name in CLASSES]},
    }
    return Spec.model_validate(
        {
            "task": {"classes": [{"name": name, "description": name} for name in CLASSES]},
            "data": {
                "unlabeled": {"uri": "s3://bucket/p"},
                "gold": {"uri": "s3://bucket/g"},
                "goldBudget": BUDGET,
            },
            "storage": {"uri": "s3://bucket/w"},
            "weak": {"labelers": [{"name": f"rules-{n}", **(labeler or rules)} for n in range(labelers)]},
            "strong": {"model": {"uri": "hf://o/m"}},
            "evaluation": {"seeds": SEEDS},
        }
    )


def weak(rng: np.random.Generator, gold: np.ndarray, silent: float) -> WeakLabels:
    scores = rng.dirichlet(np.ones(len(CLASSES)), len(gold)) + 0.8 * np.eye(len(CLASSES))[gold]
    return WeakLabels(scores / scores.sum(axis=1, keepdims=True), rng.random(len(gold)) < silent)


def both(of: Spec, labels: dict[int, WeakLabels], opinions: Sequence[WeakLabels], gold: np.ndarray):
    """What product and study know of the same labels."""
    ids = [f"text-{number}" for number in range(len(PARTS))]
    examples = Examples(ids, ids, np.array(PARTS), np.arange(len(PARTS)))
    labelled = Labelled(
        examples, gold, np.empty(0, dtype=np.int64), labels, opinions,
        [{"labeler": one.name} for one in of.weak.labelers], {"effectiveTestSize": 50.0},
    )  # fmt: skip
    rows, pool = examples.rows("budget"), examples.rows("pool")
    first = of_seed(labels, 0)
    covered = pool[~first.abstain[pool]]
    known = {
        "budget": BUDGET,
        "classes": len(CLASSES),
        "coverage": len(covered) / len(pool),
        "confidence": float(first.targets[covered].max(axis=1).mean()) if len(covered) else None,
        "shares": study._shares(first, pool).tolist(),
        "agreement": study._agreement(list(opinions), pool),
        "bySeed": [
            study._seed(
                of_seed(labels, seed),
                gold,
                rows[draw(examples.ids.take(rows), gold[rows], BUDGET, seed)],
                len(CLASSES),
            )
            for seed in range(SEEDS)
        ],
    }
    return facts(of, family_of(of), labelled), known


@pytest.mark.parametrize("silent", [0.0, 0.4, 0.97])
@pytest.mark.parametrize("by_seed", [False, True])
def test_every_predictor_is_that_of_the_study(silent, by_seed):
    rng = np.random.default_rng(7)
    gold = rng.choice(len(CLASSES), len(PARTS), p=[0.6, 0.3, 0.1])
    labels = {seed: weak(rng, gold, silent) for seed in (range(SEEDS) if by_seed else [EVERY_SEED])}
    ours, theirs = both(spec(2), labels, [weak(rng, gold, 0.2), weak(rng, gold, 0.5)], gold)
    expected = predictors.predictors_of(theirs, saw_budget=False)
    assert tuple(PREDICTORS) == predictors.PREDICTORS
    assert predictors_of(ours) == pytest.approx(expected, abs=2e-6, nan_ok=True)


def test_a_teacher_that_was_tuned_on_the_budget_says_nothing_of_its_skill_in_both():
    rng = np.random.default_rng(8)
    gold = rng.integers(0, 3, len(PARTS))
    of = spec(1, type="Finetuned", finetuned={"model": {"uri": "hf://o/w"}})
    label = weak(rng, gold, 0.0)
    ours, theirs = both(of, {EVERY_SEED: label}, [label], gold)
    assert predictors_of(ours) == pytest.approx(
        predictors.predictors_of(theirs, saw_budget=True), abs=2e-6, nan_ok=True
    )


def test_a_map_is_adopted_by_one_line():
    from does_it_pay.failure_map import Hits, Map
    from does_it_pay.map_section import adopted

    from w2s_trainer.report import failure_map

    found = Map(
        ("classes", "skill"), np.array([1.5, 0.25]), np.array([0.5, 0.125]), np.array([0.1, 1.0, -2.0])
    )
    measured = Hits(40, 0.85, 0.7, 0.9, 0.5, 0.99, (9, 10), (20, 25))
    line = adopted(found, measured, "docs/results/page.md")
    place = SimpleNamespace()
    exec(
        line.replace("MAP: FailureMap | None = ", "place.MAP = "),
        {"FailureMap": failure_map.FailureMap, "place": place},
    )
    assert (
        failure_map.FailureMap(
            ("classes", "skill"), (1.5, 0.25), (0.5, 0.125), (0.1, 1.0, -2.0), 0.85, "docs/results/page.md"
        )
        == place.MAP
    )
