"""Figures that stages leave with their last words, and the results that the status makes of them.

What a pod says is not trusted: what is no figure is left out.
"""

from collections.abc import Mapping
from typing import Any

from w2s_api.status import Results
from w2s_operator.observed import Observed
from w2s_operator.text import printable

_TOO_LARGE = 1e9
"""No figure is as large."""


def figures_of(observed: Observed, instances: Mapping[str, str]) -> Mapping[str, Mapping[str, Any]]:
    """The figures of some stages by stage name, as far as their pods are still there.

    Args:
        observed: the job and its children.
        instances: of the stages, by name.
    """
    figures: dict[str, Mapping[str, Any]] = {}
    for child in observed.children:
        if instances.get(child.stage) != child.instance:
            continue
        for pod in observed.pods_of(child):
            if pod.exit and pod.exit.words and pod.exit.words.artifact:
                figures[child.stage] = pod.exit.words.figures
    return figures


def results_of(figures: Mapping[str, Any]) -> Results:
    """The results that `evaluate` tells: decimal strings with four places."""
    gain = figures.get("gain")
    if not isinstance(gain, (list, tuple)) or len(gain) != 3:
        gain = (None, None, None)
    return Results(
        metric=printable(str(figures["metric"]), 64) if "metric" in figures else None,
        weak=_decimal(figures.get("weak")),
        candidate=_decimal(figures.get("candidate")),
        gain=_decimal(gain[0]),
        gain_low=_decimal(gain[1]),
        gain_high=_decimal(gain[2]),
        epsilon=_decimal(figures.get("epsilon")),
        delta=_decimal(figures.get("delta"), places=6),
    )


def gain_in_words(results: Results | None) -> str | None:
    """The gain with its interval, as `kubectl get` prints it."""
    if results is None or results.gain is None:
        return None
    low, high = results.gain_low, results.gain_high
    between = f" [{float(low):+.3f}, {float(high):+.3f}]" if low is not None and high is not None else ""
    return f"{float(results.gain):+.3f}{between}"


def _decimal(value: Any, places: int = 4) -> str | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return f"{value:.{places}f}" if is_number and -_TOO_LARGE < value < _TOO_LARGE else None
