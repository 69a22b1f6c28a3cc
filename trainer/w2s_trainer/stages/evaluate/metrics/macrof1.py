"""Macro-F1: the mean of the classes' F1 scores."""

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.families.classification.decisions import counts_of
from w2s_trainer.families.gold_test import GoldTest


def replicates(
    test: GoldTest,
    answers: NDArray[np.float64],
    families: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> tuple[float, NDArray[np.float64]]:
    """Macro-F1 on the test, and on each sample."""
    counts, drawn = counts_of(test, answers, families, weights)
    return float(macro_f1(counts)), macro_f1(drawn)


def macro_f1(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Macro-F1 of confusion counts float64[..., K, K]: float64[...]. An absent class counts as 0."""
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    both = counts.sum(axis=-1) + counts.sum(axis=-2)
    return np.asarray((2 * right / np.maximum(both, 1e-12)).mean(axis=-1))
