"""The gold budget of a seed: which gold rows outside of the test it may use for anything."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def draw(ids: Sequence[str], labels: NDArray[np.int64], size: int | None, seed: int) -> NDArray[np.int64]:
    """The budget of a seed, in drawing order.

    Rows are ordered by sha256(seed, id), then the first of each class comes to the front. So the draw does not
    depend on the order of the rows, its first n are the budget of size n, and a budget of at least K rows has
    every class.

    Args:
        ids: names of the n gold rows outside of the test.
        labels: int64[n], their class indices, or what else must be in it (`TaskFamily.strata_of`).
        size: how many are drawn; None, or more than there are, means all.
        seed: the seed of the arm.

    Returns:
        int64[min(size, n)], indices into `ids`.
    """
    draws = [hashlib.sha256(f"{seed}:{name}".encode()).digest() for name in ids]
    order = np.array(sorted(range(len(ids)), key=draws.__getitem__), dtype=np.int64)
    if not len(order):
        return order
    first = np.zeros(len(order), dtype=bool)
    first[np.unique(np.asarray(labels)[order], return_index=True)[1]] = True
    return np.concatenate([order[first], order[~first]])[:size]
