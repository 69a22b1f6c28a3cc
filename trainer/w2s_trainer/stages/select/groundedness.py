"""Selection `Groundedness`: the texts whose numbers, names and quotations stand in their source."""

from collections.abc import Sequence
from math import fsum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.selection_steps import Groundedness
from w2s_trainer.families.generation.grounded import Grounding, grounding
from w2s_trainer.stages.select.methods import Candidates, Kept
from w2s_trainer.stages.select.written import beside_sources

_ROUNDING = 1e-9


def select(settings: Groundedness, candidates: Candidates) -> Kept:
    """Keeps texts by the share of what can be looked for that stands in the source."""
    found = [grounding(*pair) for pair in beside_sources(candidates, "looking texts up in their sources")]
    kept = np.array([one.share for one in found]) >= float(settings.at_least) - _ROUNDING
    return Kept(np.flatnonzero(kept), candidates.weights[kept], figures_of(found, kept))


def figures_of(found: Sequence[Grounding], kept: NDArray[np.bool_]) -> dict[str, Any]:
    """What the audit says: how many texts could be checked, the mean share of these, and what dropped ones had invented.

    Args:
        found: of n texts.
        kept: bool[n].
    """
    checkable = [one.share for one in found if one.is_checkable]
    gone = [one for one, stays in zip(found, kept.tolist(), strict=True) if not stays]
    return {
        "checkable": len(checkable),
        "meanShare": round(fsum(checkable) / len(checkable), 6) if checkable else None,
        "dropped": {
            kind: sum(kind in one.missing_by_kind for one in gone)
            for kind in ("numbers", "names", "quotations")
        },
    }
