"""From the arms' answers to everything the report says: values, comparisons, worth, PGR, imitation. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.arms import ARMS
from w2s_api.metrics import METRICS
from w2s_trainer.stages.evaluate.bootstrap import (
    Interval,
    family_weights,
    interval,
    over_seeds,
    seed_shares,
)
from w2s_trainer.stages.evaluate.calibration import brier, calibration_bins, calibration_error, log_loss
from w2s_trainer.stages.evaluate.decisions import confusion, predict_classes
from w2s_trainer.stages.evaluate.gold_test import GoldTest
from w2s_trainer.stages.evaluate.metrics import replicates_of
from w2s_trainer.stages.evaluate.metrics.accuracy import accuracy
from w2s_trainer.stages.evaluate.metrics.macrof1 import macro_f1
from w2s_trainer.stages.evaluate.predictions import ArmAnswers
from w2s_trainer.stages.evaluate.worth import worth


@dataclass(frozen=True)
class Arms:
    """What the arms answered."""

    answers: Mapping[str, ArmAnswers]
    """By arm; `weak` and `strong` at least."""
    curve: Mapping[int, NDArray[np.float64]] = field(default_factory=dict)
    """The gold-only curve: float64[S, n, K] by number of labels; the largest is the arm `gold-only`."""
    trained_on: Mapping[str, int] = field(default_factory=dict)
    """Texts each arm was trained on."""


class _Replicates:
    """Points float64[S] and bootstrap replicates float64[S, B] of an arm's metrics, drawn once for all arms."""

    def __init__(self, test: GoldTest, seeds: int, rng: np.random.Generator) -> None:
        self._test = test
        _, self._families = np.unique(test.families, return_inverse=True)
        self.families = int(self._families.max()) + 1
        self.weights = family_weights(self.families, rng)
        self.shares = seed_shares(seeds, rng)

    def of(
        self, probabilities: NDArray[np.float64], metric: str
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        compute = replicates_of(metric)
        pairs = [compute(self._test, p, self._families, self.weights) for p in probabilities]
        return np.array([point for point, _ in pairs]), np.stack([replicates for _, replicates in pairs])


def compare(test: GoldTest, arms: Arms, rng: np.random.Generator) -> dict[str, Any]:
    """The `evaluation` part of results.json (docs/protocol.md).

    Args:
        test: gold and families of the test.
        arms: what was answered.
        rng: of the bootstrap.
    """
    seeds = max(len(answers.probabilities) for answers in arms.answers.values())
    drawn = _Replicates(test, seeds, rng)
    asked = (len(test.class_names), test.positive is not None)
    metrics = [name for name, metric in METRICS.items() if metric.applies(*asked)]
    values = {
        name: {metric: drawn.of(answers.probabilities, metric) for metric in metrics}
        for name, answers in arms.answers.items()
    }
    merit = _merit(test.metric)
    declared = {name: merit(by_metric[test.metric]) for name, by_metric in values.items()}
    result: dict[str, Any] = {
        "metric": test.metric,
        "seeds": seeds,
        "test": {
            "size": len(test.gold),
            "families": drawn.families,
            "classes": {name: int((test.gold == index).sum()) for index, name in enumerate(test.class_names)},
        },
        "arms": [
            _arm(name, answers, test, arms, values[name], drawn) for name, answers in arms.answers.items()
        ],
        "coverage": round(float(1 - arms.answers["weak"].abstain.mean()), 6),
        "comparisons": [
            {**_difference(declared, "strong", other, drawn), "baseline": other, "exploratory": False}
            for other in ARMS["strong"].beats
            if other in declared
        ],
        "exploratory": [
            {
                **_difference(declared, arm.name, other, drawn),
                "arm": arm.name,
                "baseline": other,
                "exploratory": True,
            }
            for arm in ARMS.values()
            for other in arm.explores
            if arm.name in declared and other in declared
        ],
        "imitation": imitation(test, arms.answers["weak"], arms.answers["strong"]),
        "pgr": _pgr(declared, arms, drawn),
    }
    if arms.curve:
        result["goldOnlyCurve"], result["worth"] = _curve_and_worth(test, arms, declared["strong"], drawn)
    return result


_Values = tuple[NDArray[np.float64], NDArray[np.float64]]


def _merit(metric: str) -> Callable[[_Values], _Values]:
    """Turns values so that more is better: gains, the gap and the curve are of those."""
    sign = 1.0 if METRICS[metric].higher_is_better else -1.0
    return lambda values: (sign * values[0], sign * values[1])


def _arm(
    name: str,
    answers: ArmAnswers,
    test: GoldTest,
    arms: Arms,
    values: Mapping[str, _Values],
    drawn: _Replicates,
) -> dict[str, Any]:
    covered = ~arms.answers["weak"].abstain
    found: dict[str, Any] = {
        "arm": name,
        "trainedOn": arms.trained_on.get(name),
        "seeds": len(answers.probabilities),
        "metrics": {
            metric: interval(
                points, over_seeds(replicates, drawn.shares.for_intervals[: replicates.shape[1]])
            )
            .within(*METRICS[metric].bounds)
            .to_json()
            for metric, (points, replicates) in values.items()
        },
        "covered": _part(test, answers.probabilities, covered),
        "uncovered": _part(test, answers.probabilities, ~covered),
        "calibrationError": round(
            float(np.mean([calibration_error(test.gold, p) for p in answers.probabilities])), 6
        ),
        "brier": round(float(np.mean([brier(test.gold, p) for p in answers.probabilities])), 6),
        "logLoss": round(float(np.mean([log_loss(test.gold, p) for p in answers.probabilities])), 6),
        "calibration": calibration_bins(test.gold, answers.probabilities[0]),
    }
    if test.positive is not None:
        counts = [positive_counts(test, p) for p in answers.probabilities]
        found["positive"] = {
            "firstSeed": counts[0],
            "mean": {key: round(float(np.mean([c[key] for c in counts])), 6) for key in counts[0]},
        }
    return found


def _part(
    test: GoldTest, probabilities: NDArray[np.float64], mask: NDArray[np.bool_]
) -> dict[str, float | int | None]:
    right, f1, sizes = [], [], []
    for seed in range(max(len(probabilities), len(mask))):
        p, mine = probabilities[min(seed, len(probabilities) - 1)], mask[min(seed, len(mask) - 1)]
        sizes.append(int(mine.sum()))
        if mine.any():
            decided = predict_classes(p[mine], test.positive, test.threshold)
            one_family = np.zeros(int(mine.sum()), dtype=np.int64)
            counts = confusion(test.gold[mine], decided, one_family, len(test.class_names))[0]
            right.append(float(accuracy(counts)))
            f1.append(float(macro_f1(counts)))
    return {
        "n": round(float(np.mean(sizes))) if sizes else 0,
        "Accuracy": round(float(np.mean(right)), 6) if right else None,
        "MacroF1": round(float(np.mean(f1)), 6) if f1 else None,
    }


def positive_counts(test: GoldTest, probabilities: NDArray[np.float64]) -> dict[str, float]:
    """Found, missed and false alarms of the positive class on the test, with recall and precision.

    Args:
        test: with a positive class.
        probabilities: float64[n, K], of one seed.
    """
    assert test.positive is not None
    decided = predict_classes(probabilities, test.positive, test.threshold) == test.positive
    wanted = test.gold == test.positive
    found, missed, alarms = (
        int((decided & wanted).sum()),
        int((~decided & wanted).sum()),
        int((decided & ~wanted).sum()),
    )
    return {
        "positives": int(wanted.sum()),
        "negatives": int((~wanted).sum()),
        "found": found,
        "missed": missed,
        "falseAlarms": alarms,
        "recall": round(found / max(1, found + missed), 6),
        "precision": round(found / max(1, found + alarms), 6),
    }


def imitation(test: GoldTest, weak: ArmAnswers, strong: ArmAnswers) -> dict[str, float | int | None]:
    """How often strong agrees with the weak labels where they are right and where they are wrong."""
    seeds = max(len(weak.probabilities), len(strong.probabilities))
    right, wrong, n_right, n_wrong = [], [], [], []
    for seed in range(seeds):
        teacher = predict_classes(
            weak.probabilities[min(seed, len(weak.probabilities) - 1)], test.positive, test.threshold
        )
        student = predict_classes(
            strong.probabilities[min(seed, len(strong.probabilities) - 1)], test.positive, test.threshold
        )
        covered = ~weak.abstain[min(seed, len(weak.abstain) - 1)]
        is_right, is_wrong = covered & (teacher == test.gold), covered & (teacher != test.gold)
        n_right.append(int(is_right.sum()))
        n_wrong.append(int(is_wrong.sum()))
        if is_right.any():
            right.append(float((teacher == student)[is_right].mean()))
        if is_wrong.any():
            wrong.append(float((teacher == student)[is_wrong].mean()))
    return {
        "agreesWhereWeakIsRight": round(float(np.mean(right)), 6) if right else None,
        "agreesWhereWeakIsWrong": round(float(np.mean(wrong)), 6) if wrong else None,
        "weakRight": round(float(np.mean(n_right))),
        "weakWrong": round(float(np.mean(n_wrong))),
    }


def _difference(declared: Mapping[str, _Values], arm: str, other: str, drawn: _Replicates) -> dict[str, Any]:
    gain = _gain(declared, arm, other, drawn)
    verdict = "better" if gain.low > 0 else "worse" if gain.high < 0 else "no clear difference"
    points = declared[arm][0] - declared[other][0]
    return {
        **gain.to_json(),
        "verdict": verdict,
        "perSeed": [round(float(point), 6) for point in points],
        "seeds": len(points),
        "families": drawn.families,
    }


def _gain(declared: Mapping[str, _Values], arm: str, other: str, drawn: _Replicates) -> Interval:
    """Of an arm over another; above 0 it is the better one."""
    (points, replicates), (other_points, other_replicates) = declared[arm], declared[other]
    return interval(
        points - other_points, over_seeds(replicates - other_replicates, drawn.shares.for_intervals)
    )


def _pgr(declared: Mapping[str, _Values], arms: Arms, drawn: _Replicates) -> dict[str, Any]:
    if "ceiling" not in declared:
        return {"refused": "there is no ceiling: it was not asked for in `evaluation.ceiling`"}
    on, wanted = arms.trained_on.get("ceiling", 0), arms.trained_on.get("strong", 0)
    if on < wanted:
        return {"refused": f"the reference was trained on {on} gold labels, strong on {wanted} texts"}
    gap = _gain(declared, "ceiling", "weak", drawn)
    if gap.low <= 0:
        return {
            "refused": "the ceiling is not clearly above weak:"
            f" {gap.estimate:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]; a ratio to nothing is nothing"
        }
    gain = declared["strong"][0].mean() - declared["weak"][0].mean()
    shares = drawn.shares.for_functions
    numerator = over_seeds(declared["strong"][1] - declared["weak"][1], shares)
    denominator = over_seeds(declared["ceiling"][1] - declared["weak"][1], shares)
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = np.nanquantile(numerator / denominator, [0.025, 0.975])
    return Interval(float(gain / gap.estimate), float(low), float(high)).to_json()


def _curve_and_worth(
    test: GoldTest, arms: Arms, strong: _Values, drawn: _Replicates
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    sizes = np.array(sorted(arms.curve), dtype=np.int64)
    shares = drawn.shares
    merit = _merit(test.metric)
    points, replicates, curve = [], [], []
    for size in sizes:
        values = drawn.of(arms.curve[int(size)], test.metric)
        value = interval(values[0], over_seeds(values[1], shares.for_intervals))
        curve.append({"labels": int(size), **value.to_json()})
        by_seed, by_replicate = merit(values)
        points.append(by_seed)
        replicates.append(over_seeds(by_replicate, shares.for_functions))
    estimate, low, high = worth(
        sizes,
        np.array([by_seed.mean() for by_seed in points]),
        float(strong[0].mean()),
        np.stack(replicates),
        over_seeds(strong[1], shares.for_functions),
    )
    return curve, {
        "estimate": estimate.to_json(),
        "low": low.to_json(),
        "high": high.to_json(),
        "budget": int(sizes[-1]),
    }


def notes(
    result: Mapping[str, Any],
    teacher_may_be_flattered: bool,
    evaluations: int,
    collapsed: Sequence[Mapping[str, Any]] = (),
) -> list[dict[str, str]]:
    """What a reader must know before believing the figures.

    Args:
        result: of `compare`.
        teacher_may_be_flattered: a weak model may have seen the test.
        evaluations: how often this test set has been asked.
        collapsed: classes that students gave up: {arm, seed, class, predicted, labels}.
    """
    found = _given_up(collapsed)
    if teacher_may_be_flattered:
        found.append(
            {
                "code": "TeacherMayBeFlattered",
                "text": "A weak model may have seen texts of the test while it was trained (trainedOn: Unknown)."
                " Its score is then flattered, and the gain looks smaller than it is.",
            }
        )
    if result["seeds"] == 1:
        found.append(
            {"code": "OneSeed", "text": "One seed: the intervals leave out what another draw changes."}
        )
    if evaluations > 1:
        found.append(
            {
                "code": "RepeatedEvaluations",
                "text": f"This test set has been evaluated {evaluations} times. Of many tries one looks better by"
                " chance: confirm the one you keep on labels that none of them has seen.",
            }
        )
    return found


def _given_up(collapsed: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """One note for each arm and class, whatever the number of seeds."""
    found = []
    for arm, label in dict.fromkeys((one["arm"], one["class"]) for one in collapsed):
        mine = [one for one in collapsed if (one["arm"], one["class"]) == (arm, label)]
        seeds = [str(one["seed"]) for one in mine]
        named = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {', '.join(seeds)}"
        predicted, labels = (_shares([one[name] for one in mine]) for name in ("predicted", "labels"))
        found.append(
            {
                "code": "ClassGivenUp",
                "text": f"The student `{arm}` all but gave up the class “{label}” ({named}): it predicts it for"
                f" {predicted} of the latest training texts, whose labels ask for {labels}.",
            }
        )
    return found


def _shares(values: Sequence[float]) -> str:
    low, high = (f"{100 * value:.1f}".removesuffix(".0") for value in (min(values), max(values)))
    return f"{low} %" if low == high else f"{low} to {high} %"
