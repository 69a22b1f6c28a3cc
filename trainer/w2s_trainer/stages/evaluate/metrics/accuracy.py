"""Accuracy: the share of items decided rightly."""

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
    """Accuracy on the test, and on each sample."""
    counts, drawn = counts_of(test, answers, families, weights)
    return float(accuracy(counts)), accuracy(drawn)


def accuracy(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Accuracy of confusion counts float64[..., K, K]: float64[...]."""
    right = np.trace(counts, axis1=-2, axis2=-1)
    return np.asarray(right / np.maximum(counts.sum(axis=(-2, -1)), 1e-12))
