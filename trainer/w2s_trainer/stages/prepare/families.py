"""Families: what a split must not divide. The group field joined with near-duplicates."""

import numpy as np
from numpy.typing import NDArray


def families(components: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """The family of each row.

    Two rows are of one family if their texts are near-duplicates, if they have the same group, or if a chain of
    such rows joins them.

    Args:
        components: int64[N], the near-duplicate component of each row's text.
        groups: int64[N], the group of each row; below 0 it stands alone.

    Returns:
        int64[N], numbered by first appearance.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    texts = int(components.max(initial=-1)) + 1
    grouped = groups >= 0
    ends = (components[grouped], texts + groups[grouped])
    size = texts + int(groups.max(initial=-1)) + 1
    graph = coo_array((np.ones(len(ends[0]), dtype=np.int8), ends), shape=(size, size))
    joined = connected_components(graph, directed=False)[1] if size else np.empty(0, dtype=np.int64)
    return in_order(joined[components])


def in_order(names: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same partition, int64[N], with its parts numbered by first appearance."""
    _, first, inverse = np.unique(names, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return np.asarray(rank[inverse])
