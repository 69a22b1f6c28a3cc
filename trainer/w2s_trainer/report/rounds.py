"""What rounds of self-training brought, in words. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from w2s_trainer.report.differences import Differences

_NOT_SHOWN = "–"


def round_answers(results: Mapping[str, Any]) -> list[str]:
    """Says whether self-training was worth it, by its last accepted rounds; empty where there were no rounds."""
    rounds = results.get("rounds")
    comparison = _comparison(results, "self-trained", "combined")
    if not rounds or comparison is None:
        return []
    accepted = list(rounds["accepted"].values())
    if max(accepted) == 1:
        return [
            "Self-training was stopped at once: on the gold budget, out of fold, no seed gained by a second round."
        ]
    differences, size = Differences.of(results), Differences.of(results).size(comparison["estimate"])
    until = f"self-training, until round {_listed(accepted)},"
    if comparison["verdict"] == "better":
        return [
            f"The student of {until} is better than the combination of the first round, by {size} (between"
            f" {differences.between(comparison)}; exploratory)."
        ]
    if comparison["verdict"] == "worse":
        return [
            f"The student of {until} is worse than the combination of the first round, by {size} (between"
            f" {differences.between(comparison, -1)}; exploratory)."
        ]
    return [
        f"The student of {until} is not clearly different from the combination of the first round:"
        f" {differences.from_to(comparison)}."
    ]


def round_rows(results: Mapping[str, Any]) -> list[dict[str, str]]:
    """Lists the rounds as rows of a table: the first, which has no student of its own, and each further one."""
    rounds = results.get("rounds")
    if not rounds:
        return []
    evaluation = results["evaluation"]
    reached = {arm["arm"]: arm["metrics"][evaluation["metric"]]["estimate"] for arm in evaluation["arms"]}
    arms = ["combined", *sorted(arm for arm in reached if arm.startswith("round-"))]
    losses, accepted = list(rounds["heldOutLogLoss"].values()), list(rounds["accepted"].values())
    return [
        {
            "round": str(number),
            "arm": arm,
            "loss": _mean([of_seed[number - 1] for of_seed in losses if of_seed]),
            "accepted": f"{sum(last >= number for last in accepted)} of {len(accepted)}",
            "reached": f"{reached[arm]:.3f}",
            "added": _added(results, arm, arms[number - 2]) if number > 1 else _NOT_SHOWN,
        }
        for number, arm in enumerate(arms, start=1)
    ]


def _added(results: Mapping[str, Any], arm: str, before: str) -> str:
    comparison = _comparison(results, arm, before)
    return Differences.of(results).from_to({**comparison, "exploratory": False}) if comparison else _NOT_SHOWN


def _comparison(results: Mapping[str, Any], arm: str, baseline: str) -> Mapping[str, Any] | None:
    every = [*results["evaluation"].get("comparisons", []), *results["evaluation"]["exploratory"]]
    return next((one for one in every if (one["arm"], one["baseline"]) == (arm, baseline)), None)


def _mean(losses: Sequence[float]) -> str:
    return f"{sum(losses) / len(losses):.3f}" if losses else _NOT_SHOWN


def _listed(accepted: Sequence[int]) -> str:
    low, high = min(accepted), max(accepted)
    return str(low) if low == high else f"{low} to {high}, by seed"
