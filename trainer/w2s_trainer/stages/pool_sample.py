"""Fixed samples of the pool: the same whatever the order of the rows, the shard or the seed."""

import heapq
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.stages.tables import Examples

OF_STUDENT = 2000
"""Texts of the pool that a tuned student is asked about: its mean answer is that on these."""


def pool_sample(examples: Examples, size: int, purpose: str) -> NDArray[np.int64]:
    """Rows of the pool, int64[min(size, pool)], ascending: those whose sha256(purpose, id) is lowest."""
    pool = examples.rows("pool")
    hashed = (sha256(f"{purpose}:{name}".encode()).digest() for name in examples.ids.take(pool))
    lowest = heapq.nsmallest(size, zip(hashed, pool.tolist(), strict=True))
    return np.array(sorted(row for _, row in lowest), dtype=np.int64)


def student_sample(examples: Examples) -> NDArray[np.int64]:
    """The texts of the pool that a tuned student is asked about, int64[n], ascending."""
    return pool_sample(examples, OF_STUDENT, "student")
