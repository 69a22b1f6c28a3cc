"""Batches of rows from several sources in given proportions. Pure: a step and a seed say it all, as of `Order`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from math import ceil

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Mixture:
    """Rows of K sources, drawn so often each, and spread as evenly as whole rows can be.

    The rows of the sources are numbered through: those of the first come first. Each source is read through in a
    permutation of its own, and anew in another one when it is at its end.
    """

    sizes: tuple[int, ...]
    """Rows of each source, K of them."""
    phases: tuple[tuple[int, ...], ...]
    """How many rows are drawn of each source, K numbers a phase; the phases follow one another."""
    batch_size: int
    seed: int

    def __post_init__(self) -> None:
        for draws in self.phases:
            if len(draws) != len(self.sizes) or any(
                drawn and not size for drawn, size in zip(draws, self.sizes, strict=True)
            ):
                raise ValueError(f"{draws} cannot be drawn of {self.sizes}")

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole schedule."""
        return ceil(len(self._sources) / self.batch_size)

    def batch(self, step: int) -> NDArray[np.int64]:
        """The rows of a step, int64[b]; the last batch may be smaller."""
        places = slice(step * self.batch_size, (step + 1) * self.batch_size)
        starts = np.cumsum([0, *self.sizes])
        rows = np.array(
            [
                starts[source] + _row(self.sizes[source], self.seed, int(source), int(draw))
                for source, draw in zip(self._sources[places], self._draws[places], strict=True)
            ],
            dtype=np.int64,
        )
        rows.flags.writeable = False
        return rows

    @cached_property
    def _sources(self) -> NDArray[np.int64]:
        """Which source each row of the schedule is of, int64[n]."""
        return np.concatenate([np.zeros(0, np.int64), *map(spread, self.phases)])

    @cached_property
    def _draws(self) -> NDArray[np.int64]:
        """The how manieth of its source each row is, from 0, int64[n]."""
        sources = self._sources
        draws = np.empty(len(sources), dtype=np.int64)
        for source in range(len(self.sizes)):
            of_it = sources == source
            draws[of_it] = np.arange(int(of_it.sum()))
        return draws


def spread(draws: Sequence[int]) -> NDArray[np.int64]:
    """An order of sources in which each comes as often as it is to, evenly.

    The j-th row of a source that is drawn d times has its ideal place at (j + ½) / d of the way; rows are in the order of
    these, of equal ones those of the first source first. Of two sources any window of b rows has ⌊b d / n⌋ or ⌈b d / n⌉ rows
    of each, give or take one.

    Args:
        draws: how often each of K sources comes.

    Returns:
        int64[Σ draws], numbers of sources.
    """
    places = np.concatenate([np.zeros(0), *((np.arange(drawn) + 0.5) / drawn for drawn in draws if drawn)])
    sources = np.repeat(np.arange(len(draws), dtype=np.int64), draws)
    return sources[np.argsort(places, kind="stable")]


def replayed(domain: int, fraction: float) -> int:
    """How many general rows make a share of all, beside so many of the domain."""
    return round(domain * fraction / (1 - fraction))


def apportioned(total: int, shares: Sequence[float]) -> tuple[int, ...]:
    """Divides a number into whole parts by shares: their running sums are rounded, so that nothing is lost.

    Args:
        total: what is divided.
        shares: of each part; their sum need not be 1.
    """
    sums = np.cumsum([0.0, *shares])
    ends = [round(total * end / sums[-1]) for end in sums]
    return tuple(int(end - start) for start, end in pairwise(ends))


def _row(rows: int, seed: int, source: int, draw: int) -> int:
    epoch, place = divmod(draw, rows)
    return int(_permutation(rows, seed, source, epoch)[place])


@lru_cache(maxsize=16)
def _permutation(rows: int, seed: int, source: int, epoch: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, epoch, source]).permutation(rows)
