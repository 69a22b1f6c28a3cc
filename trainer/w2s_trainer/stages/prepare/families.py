"""Families: what a split must not divide. The group field joined with near-duplicates."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def families(components: NDArray[np.int64], groups: Sequence[str | None]) -> NDArray[np.int64]:
    """The family of each row.

    Two rows are of one family if their texts are near-duplicates, if they have the same group, or if a chain of
    such rows joins them.

    Args:
        components: int64[N], the near-duplicate component of each row's text.
        groups: the group of each row; None stands alone.

    Returns:
        int64[N], numbered by first appearance.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    texts = int(components.max(initial=-1)) + 1
    numbers: dict[str, int] = {}
    edges = [
        (row, texts + numbers.setdefault(group, len(numbers)))
        for row, group in zip(components.tolist(), groups, strict=True)
        if group is not None
    ]
    ends = np.array(edges, dtype=np.int64).reshape(-1, 2)
    size = texts + len(numbers)
    graph = coo_array((np.ones(len(ends), dtype=np.int8), (ends[:, 0], ends[:, 1])), shape=(size, size))
    joined = connected_components(graph, directed=False)[1] if size else np.empty(0, dtype=np.int64)
    return in_order(joined[components])


def in_order(names: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same partition, int64[N], with its parts numbered by first appearance."""
    _, first, inverse = np.unique(names, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return np.asarray(rank[inverse])
