"""The training sets of the arms: which rows, with which targets, for one seed (docs/protocol.md). Pure."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.tuning.training_set import TrainingSet

SMALLEST_CURVE_SIZE = 16


def weak_set(
    rows: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    weights: NDArray[np.float64],
    families: NDArray[np.int64],
    hard: bool,
) -> TrainingSet:
    """Weak labels as targets.

    Args:
        rows: int64[n], indices of examples.
        probabilities: float64[n, K], the labelers' distributions.
        weights: float64[n].
        families: int64[n].
        hard: put all the weight on the likeliest class (ties: the first).
    """
    targets = one_hot(probabilities.argmax(axis=1), probabilities.shape[1]) if hard else probabilities
    return TrainingSet(rows, targets, weights, families)


def gold_set(
    rows: NDArray[np.int64], labels: NDArray[np.int64], families: NDArray[np.int64], classes: int
) -> TrainingSet:
    """Gold labels as targets: rows int64[n], labels int64[n] of `classes` classes, families int64[n]."""
    return TrainingSet(rows, one_hot(labels, classes), np.ones(len(rows)), families)


def one_hot(labels: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """float64[n, K] of class indices int64[n]."""
    return np.eye(classes)[labels]


def curve_sizes(budget: int) -> list[int]:
    """Sizes of the gold-only curve: 16, 32, 64, … below the budget, and the budget itself."""
    sizes = []
    size = SMALLEST_CURVE_SIZE
    while size < budget:
        sizes.append(size)
        size *= 2
    return [*sizes, budget]


def as_many(ids: Sequence[str], count: int, seed: int) -> NDArray[np.int64]:
    """`count` positions of `ids`, drawn by a hash of seed and id, so that their order does not matter."""
    order = sorted(range(len(ids)), key=lambda i: hashlib.sha256(f"{seed}\0{ids[i]}".encode()).digest())
    return np.array(sorted(order[:count]), dtype=np.int64)
