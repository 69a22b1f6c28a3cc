"""Batches of texts of about the same length, bounded by tokens. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


def by_tokens(lengths: Sequence[int] | NDArray[np.int64], batch_tokens: int) -> Iterator[NDArray[np.int64]]:
    """Indices of batches, longest texts first, so that memory runs out at once or never.

    Args:
        lengths: tokens of each text.
        batch_tokens: at most so many tokens a batch, padding included; a single longer text is a batch.

    Yields:
        int64[b], every index once.
    """
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
    start = 0
    while start < len(order):
        longest = max(1, int(lengths[order[start]]))
        size = max(1, batch_tokens // longest)
        yield order[start : start + size]
        start += size


def room_for(n: int, width: int, dtype: DTypeLike) -> NDArray[Any]:
    """Values [n, width] before there are any: zeros, or empty strings where the dtype is `object`."""
    return np.full((n, width), "" if np.dtype(dtype) == object else 0, dtype)


def gathered(
    batches: Iterable[tuple[NDArray[np.int64], NDArray[Any]]],
    n: int,
    width: int,
    dtype: DTypeLike,
    progress: Callable[[int, int], None],
) -> NDArray[Any]:
    """Puts the values of batches in their places: [n, width].

    Args:
        batches: places int64[b] and values [b, width]; every place once.
        n: places.
        width: numbers, or strings, at each.
        dtype: of the values; `object`: they are strings.
        progress: called with (places done, n).
    """
    values, done = room_for(n, width, dtype), 0
    progress(0, n)
    for places, batch in batches:
        values[places] = batch
        done += len(places)
        progress(done, n)
    return values
