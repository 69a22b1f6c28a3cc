"""What the steps after the training brought and cost, in words. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from w2s_api.methods.finish_steps import FINISH_STEPS
from w2s_trainer.report.differences import Differences
from w2s_trainer.report.tuned import seconds


def finish_answers(results: Mapping[str, Any]) -> list[str]:
    """Says whether finishing the student was worth it; empty where nothing was finished, or nothing compared."""
    steps = results.get("finish", [])
    comparison = next(
        (
            one
            for one in results["evaluation"]["exploratory"]
            if (one["arm"], one["baseline"]) == ("strong", "unfinished")
        ),
        None,
    )
    if not steps or comparison is None:
        return []
    differences, cost = Differences.of(results), f"at {seconds(_seconds(steps))} for the steps of all seeds"
    size = differences.size(comparison["estimate"])
    if comparison["verdict"] == "better":
        return [
            f"Finishing the student gained it {size} (between {differences.between(comparison)}; exploratory), {cost}."
        ]
    if comparison["verdict"] == "worse":
        return [
            f"Finishing the student did harm: it lost {size} to itself as it was trained (between"
            f" {differences.between(comparison, -1)}; exploratory), {cost}."
        ]
    return [
        f"Finishing the student is not proven to gain it anything: {differences.from_to(comparison)}, {cost}."
    ]


def finish_rows(results: Mapping[str, Any]) -> list[dict[str, str]]:
    """Lists the steps of each seed as rows of a table, in order."""
    return [
        {
            "stage": step["stage"],
            "words": step["words"],
            "outcome": _outcome(step["figures"]),
            "seconds": seconds(step["figures"]["seconds"]),
        }
        for step in results.get("finish", [])
    ]


def saw_gold(results: Mapping[str, Any]) -> bool:
    """Whether the student on weak labels has learnt from expert labels after all."""
    return any(FINISH_STEPS[step["type"]].learns_budget for step in results.get("finish", []))


def _outcome(figures: Mapping[str, Any]) -> str:
    if "shares" in figures:
        tried = ", ".join(f"{one['share']:g}: {_value(one['value'])}" for one in figures["shares"])
        return f"α = {figures['share']:g}, by {figures['metric']} on {figures['goldLabels']:,} gold labels ({tried})"
    if "share" in figures:
        return f"α = {figures['share']:g}"
    return (
        f"{figures['pairs']:,} pairs; of {figures['heldOutPairs']:,} held out, the preferred text was the likelier one in"
        f" {figures['accuracyBefore']:.0%} before and {figures['accuracy']:.0%} after, and gained more in"
        f" {figures['rewardAccuracy']:.0%}"
    )


def _value(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.3f}"


def _seconds(steps: Sequence[Mapping[str, Any]]) -> float:
    return float(sum(step["figures"]["seconds"] for step in steps))
