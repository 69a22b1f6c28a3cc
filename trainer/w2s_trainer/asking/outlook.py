"""What more expert labels are expected to bring, from the gold-only curve of results.json. Pure."""

from collections.abc import Mapping
from typing import Any

CAUTION = "Of the model tuned on gold labels alone; the combination, which has the weak labels too, mostly gains less."


def outlook(evaluation: Mapping[str, Any], more: int) -> list[str]:
    """Says what the last doubling of the labels brought, and that nothing beyond one more doubling is known.

    Args:
        evaluation: `evaluation` of results.json. Results without `lastDoubling` have the points of the curve alone.
        more: how many labels are asked for.

    Returns:
        Lines for a person.
    """
    curve, metric = evaluation.get("goldOnlyCurve", []), evaluation["metric"]
    if len(curve) < 2:
        return ["What more labels bring is not known: the gold-only curve has fewer than two points."]
    labels = int(curve[-1]["labels"])
    step = evaluation.get("lastDoubling")
    if step:
        brought = (
            f"{step['estimate']:+.3f} {metric} [{step['low']:+.3f}, {step['high']:+.3f}] from {step['from']:,} to"
            f" {step['to']:,} labels"
        )
    else:
        first, last = curve[-2], curve[-1]
        brought = (
            f"{last['estimate'] - first['estimate']:+.3f} {metric} from {first['labels']:,} labels"
            f" ([{first['low']:.3f}, {first['high']:.3f}]) to {labels:,} ([{last['low']:.3f}, {last['high']:.3f}])"
        )
    return [f"The last step of the gold-only curve brought {brought}. {CAUTION}", _next(labels, more)]


def _next(labels: int, more: int) -> str:
    if more > labels:
        return (
            f"{more:,} more labels are more than one doubling of {labels:,}: what lies beyond {2 * labels:,} is not"
            " extrapolated."
        )
    share = f"{more / labels:.0%} of a doubling" if more < labels else "one doubling"
    return f"{more:,} more are {share} of {labels:,}: rather less than that step, as curves flatten; it was not measured."
