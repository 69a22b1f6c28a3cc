"""How many rows the arms are trained on, and which (docs/protocol.md). Pure."""

import hashlib
from collections.abc import Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray

SMALLEST_CURVE_SIZE = 16
MOST_EPOCHS_ON_GOLD = 20
"""As small sets are tuned on (Mosbach, Andriushchenko & Klakow 2021), where `training.epochs` does not say more."""


def curve_sizes(budget: int) -> list[int]:
    """Sizes of the gold-only curve: 16, 32, 64, … below the budget, and the budget itself."""
    sizes = []
    size = SMALLEST_CURVE_SIZE
    while size < budget:
        sizes.append(size)
        size *= 2
    return [*sizes, budget]


def epochs_on_gold(epochs: int, labels: int, pool: int) -> int:
    """How often a student that writes sees each of n gold labels of the budget: max(E, min(20, ⌈E · P / n⌉)).

    Args:
        epochs: E, of the schedule.
        labels: n.
        pool: P, texts of the pool.
    """
    return max(epochs, min(MOST_EPOCHS_ON_GOLD, ceil(epochs * pool / labels)))


def as_many(ids: Sequence[str], count: int, seed: int) -> NDArray[np.int64]:
    """`count` positions of `ids`, drawn by a hash of seed and id, so that their order does not matter."""
    order = sorted(range(len(ids)), key=lambda i: hashlib.sha256(f"{seed}\0{ids[i]}".encode()).digest())
    return np.array(sorted(order[:count]), dtype=np.int64)
