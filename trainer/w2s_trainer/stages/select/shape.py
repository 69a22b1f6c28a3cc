"""Selection `Shape`: the texts that are whole, and as long as they should be."""

import numpy as np

from w2s_api.methods.selection_steps import Shape
from w2s_trainer.families.generation.repetition import ends_in_loop, length_ratio, repeated_share
from w2s_trainer.stages.select.methods import Candidates, Kept
from w2s_trainer.stages.select.written import beside_sources

REASONS = ("loops", "repeated", "short", "long")
"""Why a text is dropped, in the order in which they are looked for: a text is counted under the first."""
_QUANTILES = {"p05": 0.05, "median": 0.5, "p95": 0.95}
_ROUNDING = 1e-9


def select(settings: Shape, candidates: Candidates) -> Kept:
    """Drops what repeats itself and what is too short or too long."""
    reasons, ratios = [], []
    for text, source in beside_sources(candidates, "measuring texts"):
        ratios.append(ratio(settings, text, source))
        reasons.append(fault(settings, text, ratios[-1]))
    kept = np.array([reason is None for reason in reasons], dtype=bool)
    figures = {
        "lengthRatio": {
            name: round(float(np.quantile(ratios, share)), 4) for name, share in _QUANTILES.items()
        },
        "dropped": {reason: reasons.count(reason) for reason in REASONS},
    }
    return Kept(np.flatnonzero(kept), candidates.weights[kept], figures)


def ratio(settings: Shape, text: str, source: str) -> float:
    """The length of a text for each one of its source's, in words or characters; what has none counts as one."""
    if settings.lengths_in == "Words":
        return length_ratio(text, source)
    return max(1, len(text)) / max(1, len(source))


def fault(settings: Shape, text: str, length: float) -> str | None:
    """What is wrong with a text of a length, one of REASONS; None if nothing is."""
    if ends_in_loop(text):
        return "loops"
    if repeated_share(text) > float(settings.most_repeated) + _ROUNDING:
        return "repeated"
    if length < float(settings.shortest_ratio) - _ROUNDING:
        return "short"
    if settings.longest_ratio is not None and length > float(settings.longest_ratio) + _ROUNDING:
        return "long"
    return None
