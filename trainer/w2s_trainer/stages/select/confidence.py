"""Selection `Confidence`: the texts that the labelers are surest of, class by class. Pure."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.selection_steps import Confidence
from w2s_trainer.stages.select.methods import Candidates, Kept


def select(settings: Confidence, candidates: Candidates) -> Kept:
    """Keeps the surest of each class; how much they count stays what it was."""
    fraction = float(settings.keep_fraction_per_class)
    positions = surest_per_class(candidates.ids, candidates.targets, fraction)
    return Kept(positions, candidates.weights[positions])


def surest_per_class(
    ids: Sequence[str], probabilities: NDArray[np.float64], fraction: float
) -> NDArray[np.int64]:
    """Keeps a share of each class, the surest first.

    Args:
        ids: n ids; of two equally sure texts a hash of the id decides, so that their order does not.
        probabilities: float64[n, K]; a text's class is its likeliest one.
        fraction: of each class that is kept, rounded up.

    Returns:
        int64[m], kept positions, ascending.
    """
    classes, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    lots = [hashlib.sha256(name.encode()).digest() for name in ids]
    kept: list[int] = []
    for label in np.unique(classes):
        members = np.flatnonzero(classes == label).tolist()
        # Equal up to what float32 tables keep: rounding must not decide.
        ranked = sorted(members, key=lambda row: (-round(float(sure[row]), 6), lots[row]))
        kept += ranked[: int(np.ceil(fraction * len(members) - 1e-9))]
    return np.array(sorted(kept), dtype=np.int64)
