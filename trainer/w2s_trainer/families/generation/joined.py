"""One text in place of what several sources write about the same. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Choice:
    """One of several texts."""

    place: int
    """Which of them."""
    agreement: float
    """From 0 to 1, as the way of choosing has it."""
    is_tie: bool = False
    """Whether another text was as good."""


@dataclass(frozen=True)
class Joined:
    """One text for each of n."""

    texts: NDArray[np.object_]
    """str[n]; empty where nobody answers."""
    agreement: NDArray[np.float64]
    """float64[n]: how far the sources that answer agree with the text; 0 where nobody does."""

    is_tie: NDArray[np.bool_]
    """bool[n]: another text was as good, and the first was taken."""

    @property
    def abstain(self) -> NDArray[np.bool_]:
        """bool[n]: nobody answers."""
        return np.asarray(self.texts == "")


Choose = Callable[[Sequence[str], Sequence[float]], Choice]
"""Chooses one of V texts, none of them empty, by their weights, which are above 0."""


def joined(candidates: NDArray[np.object_], weights: NDArray[np.float64], choose: Choose) -> Joined:
    """Chooses one text a row among those that are no abstention.

    Args:
        candidates: str[n, V], what V sources write; empty where one abstains.
        weights: float64[V] or float64[n, V], at least 0; a source of weight 0 is not heard.
        choose: how.
    """
    heard = np.broadcast_to(weights, candidates.shape)
    texts = np.full(len(candidates), "", dtype=object)
    agreement = np.zeros(len(candidates))
    is_tie = np.zeros(len(candidates), dtype=bool)
    for row, written in enumerate(candidates):
        answering = np.flatnonzero((written != "") & (heard[row] > 0))
        if not len(answering):
            continue
        choice = choose(written[answering].tolist(), heard[row, answering].tolist())
        texts[row] = written[answering[choice.place]]
        agreement[row] = choice.agreement
        is_tie[row] = choice.is_tie
    return Joined(texts, agreement, is_tie)
