"""Which texts go through the model together, and when. Pure: a step and a seed say it all, so nothing is saved."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import ceil
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Batches(Protocol):
    """Which rows each optimiser step is made of, from its number alone."""

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole schedule."""

    def batch(self, step: int) -> NDArray[np.int64]:
        """The rows of a step, int64[b]."""


@dataclass(frozen=True)
class Order:
    """The order of a training set of n rows: each epoch is a permutation of its own, cut into batches."""

    rows: int
    batch_size: int
    epochs: int
    seed: int
    ranks: NDArray[np.float64] | None = field(default=None, compare=False)
    """float64[n]: each epoch goes from low ones to high ones, equals in an order of its own (curriculum learning, Bengio et al.
    2009); None: all are equal."""

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole schedule."""
        return self.epochs * self._steps_per_epoch

    def batch(self, step: int) -> NDArray[np.int64]:
        """The rows of a step, int64[b]; the last batch of an epoch may be smaller."""
        epoch, place = divmod(step, self._steps_per_epoch)
        shuffled = _permutation(self.rows, self.seed, epoch)
        if self.ranks is not None:
            shuffled = shuffled[np.argsort(self.ranks[shuffled], kind="stable")]
        return shuffled[place * self.batch_size : (place + 1) * self.batch_size]

    @property
    def _steps_per_epoch(self) -> int:
        return ceil(self.rows / self.batch_size)


@lru_cache(maxsize=4)
def _permutation(rows: int, seed: int, epoch: int) -> NDArray[np.int64]:
    shuffled = np.random.default_rng([seed, epoch]).permutation(rows).astype(np.int64)
    shuffled.flags.writeable = False  # batches are views of what is kept here
    return shuffled


def micro_batches(
    lengths: Sequence[int], batch_tokens: int, *, overhead: int, at_least: int = 1
) -> list[NDArray[np.int64]]:
    """Cuts a batch into micro-batches of texts of about the same length, so that little is padded.

    The cut with the least Σ (overhead + rows · longest), found by dynamic programming over the texts in the
    order of their lengths. Gradients are added up, so a cut changes no result.

    Args:
        lengths: tokens of each text.
        batch_tokens: at most so many tokens a micro-batch, padding included; a longer text goes alone.
        overhead: what one more pass through the model costs, in tokens.
        at_least: micro-batches wanted, where there are as many texts: one for each process. None has more than
            its share of the texts, then.

    Returns:
        int64[b] each, indices into `lengths`; every index once, longest texts first.
    """
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
    n = len(order)
    longest = np.asarray(lengths, dtype=np.int64)[order]
    most_rows = _most_rows(n, at_least)
    cost = np.zeros(n + 1, dtype=np.int64)
    start_of = [0] * (n + 1)
    first = 0  # a start that is too far from one end is too far from all later ones
    for end in range(1, n + 1):
        while end - first > 1 and (end - first > most_rows or (end - first) * longest[first] > batch_tokens):
            first += 1
        starts = np.arange(first, end)
        totals = cost[first:end] + (end - starts) * longest[first:end]
        best = int(totals.argmin())
        cost[end], start_of[end] = overhead + totals[best], first + best
    cuts = []
    end = n
    while end > 0:
        cuts.append(order[start_of[end] : end].astype(np.int64))
        end = start_of[end]
    return cuts[::-1]


def _most_rows(rows: int, parts: int) -> int:
    """The most rows to a part with which there are as many parts as asked for, about equally large."""
    if parts <= 1:
        return max(1, rows)
    return max(1, min(ceil(rows / parts), (rows - 1) // (parts - 1)))


def shares(costs: Sequence[int], processes: int) -> list[list[int]]:
    """Divides micro-batches among processes: the costliest first, each to whom has least.

    Args:
        costs: tokens of each micro-batch.
        processes: how many there are.

    Returns:
        Indices of micro-batches for each process, ascending.
    """
    by_process: list[list[int]] = [[] for _ in range(processes)]
    load = [0] * processes
    for index in sorted(range(len(costs)), key=lambda i: (-costs[i], i)):
        least = load.index(min(load))
        by_process[least].append(index)
        load[least] += costs[index]
    return [sorted(indices) for indices in by_process]
