"""From the arms' answers to everything the report says: values, comparisons, worth, PGR, imitation. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.arms import ARMS, Arm
from w2s_api.metrics import METRICS
from w2s_trainer.families.gold_test import ArmAnswers, GoldTest
from w2s_trainer.stages.evaluate.bootstrap import (
    Interval,
    family_weights,
    interval,
    over_seeds,
    seed_shares,
)
from w2s_trainer.stages.evaluate.metrics import replicates_of
from w2s_trainer.stages.evaluate.worth import worth


@dataclass(frozen=True)
class Arms:
    """What the arms answered."""

    answers: Mapping[str, ArmAnswers]
    """By arm; `weak`, `strong` and the candidate at least."""
    curve: Mapping[int, NDArray[Any]] = field(default_factory=dict)
    """The gold-only curve: answers [S, n, …] by number of labels; the largest is the arm `gold-only`."""
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

    def of(self, answers: NDArray[Any], metric: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        compute = replicates_of(metric)
        pairs = [
            compute(self._test, answers_of_seed, self._families, self.weights) for answers_of_seed in answers
        ]
        return _side_by_side(pairs)

    def by_kind(self, answers: NDArray[Any]) -> dict[str, "_Values"]:
        """The same of the figure of each kind of gold label."""
        by_seed = [
            self._test.task.kinds(self._test, answers_of_seed, self._families, self.weights)
            for answers_of_seed in answers
        ]
        return {kind: _side_by_side([kinds[kind] for kinds in by_seed]) for kind in by_seed[0]}


def _side_by_side(pairs: Sequence[tuple[float, NDArray[np.float64]]]) -> "_Values":
    return np.array([point for point, _ in pairs]), np.stack([replicates for _, replicates in pairs])


def compare(test: GoldTest, arms: Arms, candidate: Arm, rng: np.random.Generator) -> dict[str, Any]:
    """The `evaluation` part of results.json (docs/protocol.md).

    Args:
        test: gold and families of the test.
        arms: what was answered.
        candidate: the arm that is compared with the others to decide.
        rng: of the bootstrap.
    """
    seeds = max(len(answers.values) for answers in arms.answers.values())
    drawn = _Replicates(test, seeds, rng)
    metrics = test.task.metrics()
    values = {
        name: {metric: drawn.of(answers.values, metric) for metric in metrics}
        for name, answers in arms.answers.items()
    }
    merit = _merit(test.metric)
    declared = {name: merit(by_metric[test.metric]) for name, by_metric in values.items()}
    result: dict[str, Any] = {
        "candidate": candidate.name,
        "metric": test.metric,
        "seeds": seeds,
        "test": {
            "size": len(test.gold),
            "families": drawn.families,
            **test.task.test_summary(test.gold),
        },
        "arms": [
            _arm(name, answers, test, arms, values[name], drawn) for name, answers in arms.answers.items()
        ],
        "coverage": round(float(1 - arms.answers["weak"].abstain.mean()), 6),
        "comparisons": [
            {
                **_difference(declared, candidate.name, other, drawn),
                "arm": candidate.name,
                "baseline": other,
                "exploratory": False,
            }
            for other in candidate.beats
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
            for other in _explored(arm, candidate)
            if arm.name in declared and other in declared
        ],
        "kinds": _kinds(arms, candidate.name, drawn),
        **test.task.candidate_details(test, arms.answers[candidate.name].values[0]),
        "imitation": test.task.imitation(test, arms.answers["weak"], arms.answers[candidate.name]),
        "pgr": _pgr(declared, arms, drawn),
    }
    if "zero-shot" in arms.answers:
        result["untunedImitation"] = test.task.imitation(
            test, arms.answers["weak"], arms.answers["zero-shot"]
        )
    tradeoff = test.task.tradeoff(result)
    result["tradeoff"] = tradeoff.to_json() if tradeoff else None
    if arms.curve:
        result |= _curve_and_worth(test, arms, declared[candidate.name], drawn)
    return result


def _explored(arm: Arm, candidate: Arm) -> tuple[str, ...]:
    """What an arm is compared with to be looked at; what might have been the candidate, with the teacher too."""
    return arm.explores if arm is candidate else (*arm.beats[:1], *arm.explores)


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
    return {
        "arm": name,
        "trainedOn": arms.trained_on.get(name),
        "seeds": len(answers.values),
        "metrics": {
            metric: interval(
                points, over_seeds(replicates, drawn.shares.for_intervals[: replicates.shape[1]])
            )
            .within(*METRICS[metric].bounds)
            .to_json()
            for metric, (points, replicates) in values.items()
        },
        "covered": _part(test, answers, covered),
        "uncovered": _part(test, answers, ~covered),
        **test.task.arm_details(test, answers),
    }


def _part(test: GoldTest, answers: ArmAnswers, mask: NDArray[np.bool_]) -> dict[str, float | int | None]:
    """Computes the metrics on some of the texts, bool[S, n], as means over seeds; None where there is no text."""
    names = sorted(name for name in test.task.metrics() if METRICS[name].on_parts)
    values: dict[str, list[float]] = {name: [] for name in names}
    sizes = []
    for seed in range(max(len(answers.values), len(mask))):
        answered, chosen = answers.of_seed(seed)[0], mask[min(seed, len(mask) - 1)]
        sizes.append(int(chosen.sum()))
        if chosen.any():
            one_family, whole = np.zeros(sizes[-1], dtype=np.int64), np.ones((1, 1))
            for name in names:
                point, _ = replicates_of(name)(test.part(chosen), answered[chosen], one_family, whole)
                values[name].append(point)
    return {
        "n": round(float(np.mean(sizes))) if sizes else 0,
        **{name: round(float(np.mean(by_seed)), 6) if by_seed else None for name, by_seed in values.items()},
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
    """Estimates the gain of an arm over another; above 0 the arm is the better one."""
    (points, replicates), (other_points, other_replicates) = declared[arm], declared[other]
    return interval(
        points - other_points, over_seeds(replicates - other_replicates, drawn.shares.for_intervals)
    )


def _kinds(arms: Arms, candidate: str, drawn: _Replicates) -> list[dict[str, Any]]:
    """Compares candidate and teacher on each kind of gold label."""
    values = {name: drawn.by_kind(arms.answers[name].values) for name in ("weak", candidate)}
    kinds = []
    for kind in values["weak"]:
        both = {name: by_kind[kind] for name, by_kind in values.items()}
        difference = _difference(both, candidate, "weak", drawn)
        means = {
            shown: round(float(both[name][0].mean()), 6)
            for shown, name in (("weak", "weak"), ("candidate", candidate))
        }
        kinds.append(
            {
                "kind": kind,
                **means,
                **{name: difference[name] for name in ("estimate", "low", "high", "verdict")},
            }
        )
    return kinds


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


def _curve_and_worth(test: GoldTest, arms: Arms, candidate: _Values, drawn: _Replicates) -> dict[str, Any]:
    sizes = np.array(sorted(arms.curve), dtype=np.int64)
    shares = drawn.shares
    merit = _merit(test.metric)
    points, replicates, curve, merits = [], [], [], {}
    for size in sizes:
        values = drawn.of(arms.curve[int(size)], test.metric)
        value = interval(values[0], over_seeds(values[1], shares.for_intervals))
        curve.append({"labels": int(size), **value.to_json()})
        by_seed, by_replicate = merits[str(size)] = merit(values)
        points.append(by_seed)
        replicates.append(over_seeds(by_replicate, shares.for_functions))
    estimate, low, high = worth(
        sizes,
        np.array([by_seed.mean() for by_seed in points]),
        float(candidate[0].mean()),
        np.stack(replicates),
        over_seeds(candidate[1], shares.for_functions),
    )
    return {
        "goldOnlyCurve": curve,
        **_last_doubling(sizes, merits, drawn),
        "worth": {
            "estimate": estimate.to_json(),
            "low": low.to_json(),
            "high": high.to_json(),
            "budget": int(sizes[-1]),
        },
    }


def _last_doubling(
    sizes: NDArray[np.int64], merits: Mapping[str, _Values], drawn: _Replicates
) -> dict[str, Any]:
    """What the last step of the curve brought; its last size need be no power of two, so a step is 1.4- to 2.9-fold."""
    last = sizes[-1]
    before = sizes[sizes * np.sqrt(2) <= last]
    if not len(before):
        return {}
    gain = _gain(merits, str(last), str(before[-1]), drawn)
    return {"lastDoubling": {"from": int(before[-1]), "to": int(last), **gain.to_json()}}


def notes(
    result: Mapping[str, Any],
    teacher_may_be_flattered: bool,
    evaluations: int,
    of_students: Sequence[dict[str, str]] = (),
) -> list[dict[str, str]]:
    """Notes what a reader must know before believing the figures.

    Args:
        result: of `compare`.
        teacher_may_be_flattered: a weak model may have seen the test.
        evaluations: how often this test set has been asked.
        of_students: what the task's family says of them (`TaskFamily.notes`).
    """
    cautions = list(of_students)
    if teacher_may_be_flattered:
        cautions.append(
            {
                "code": "TeacherMayBeFlattered",
                "text": "A weak model may have seen texts of the test while it was trained (trainedOn: Unknown)."
                " Its score is then flattered, and the gain looks smaller than it is.",
            }
        )
    if result["seeds"] == 1:
        cautions.append(
            {"code": "OneSeed", "text": "One seed: the intervals leave out what another draw changes."}
        )
    if evaluations > 1:
        cautions.append(
            {
                "code": "RepeatedEvaluations",
                "text": f"This test set has been evaluated {evaluations} times. Of many tries one looks better by"
                " chance: confirm the one you keep on labels that none of them has seen.",
            }
        )
    return cautions
