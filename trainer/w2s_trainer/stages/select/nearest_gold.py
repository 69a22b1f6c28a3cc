"""What the nearest texts with gold labels are. Pure."""

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.stages.select.neighbours import ROWS, closeness_of


def nearest_gold(
    unit: NDArray[np.floating],
    families: NDArray[np.int64],
    gold_unit: NDArray[np.floating],
    gold_families: NDArray[np.int64],
    gold: NDArray[np.int64],
    classes: int,
    k: int,
) -> NDArray[np.float64]:
    """The share of each class among the k nearest gold texts of other families, each counting 1 / (1 + distance).

    Args:
        unit: float[n, d], rows of unit length.
        families: int64[n].
        gold_unit: float[m, d], rows of unit length.
        gold_families: int64[m], numbered like `families`.
        gold: int64[m], class indices.
        classes: K.
        k: how many are asked; fewer where there are fewer.

    Returns:
        float64[n, K], rows sum to 1; to 0 where there is no gold text of another family.
    """
    shares = np.zeros((len(unit), classes))
    if not len(gold):
        return shares
    for top in range(0, len(unit), ROWS):
        asked = slice(top, min(top + ROWS, len(unit)))
        cosine = (unit[asked] @ gold_unit.T).astype(np.float64)
        cosine[families[asked, None] == gold_families[None, :]] = -2.0
        near = np.argsort(-np.round(cosine, 6), axis=1, kind="stable")[:, :k]
        found = np.take_along_axis(cosine, near, axis=1)
        near[found < -1.5] = -1
        counted = closeness_of(near, found)
        for label in range(classes):
            shares[asked, label] = (counted * (gold[near] == label)).sum(axis=1)
    return np.asarray(shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-12))
