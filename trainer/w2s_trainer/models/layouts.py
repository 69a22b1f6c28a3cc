"""Prompts of n texts that are not laid out alike: each has shots of its own, or goes on after a reasoning of its own."""

from collections.abc import Callable, Iterator, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.models.layout import Layout


class LayoutOfEach(Sequence[Layout]):
    """The layouts of n texts, each made when it is asked for. They end alike, and so do the answers in them."""

    def __init__(self, make: Callable[[int], Layout], places: NDArray[np.int64]) -> None:
        """
        Args:
            make: the layout at a place.
            places: int64[n], those of the n texts.
        """
        self._make = make
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> Layout: ...
    @overload
    def __getitem__(self, place: slice) -> "LayoutOfEach": ...
    def __getitem__(self, place: int | slice) -> "Layout | LayoutOfEach":
        if isinstance(place, slice):
            return LayoutOfEach(self._make, self._places[place])
        return self._make(int(self._places[place]))

    def __iter__(self) -> Iterator[Layout]:
        return map(self._make, self._places.tolist())

    def take(self, rows: NDArray[np.int64]) -> "LayoutOfEach":
        """Those of some of the texts, int64[m], in that order."""
        return LayoutOfEach(self._make, self._places[rows])


Layouts = Layout | LayoutOfEach
"""One layout of all prompts, or one of each."""


def one_of(layouts: Layouts) -> Layout:
    """A layout that ends as all do."""
    return layouts if isinstance(layouts, Layout) else layouts[0]


def layouts_at(layouts: Layouts, rows: NDArray[np.int64]) -> Layouts:
    """Those of some of the texts, int64[m]."""
    return layouts if isinstance(layouts, Layout) else layouts.take(rows)


def part_of(layouts: Layouts, part: slice, n: int) -> Sequence[Layout]:
    """Those of a part of n texts, one for each."""
    if isinstance(layouts, Layout):
        return [layouts] * len(range(n)[part])
    return list(layouts[part])
