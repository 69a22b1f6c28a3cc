"""Votes of several voters, and the distribution that they are taken for."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

SMOOTHING = 0.25
"""Added to each class's votes, so that one vote is not certainty."""


@dataclass(frozen=True)
class Ballot:
    """Votes on n texts."""

    votes: NDArray[np.int64]
    """int64[n, V]: the class that each voter is for; negative where it is for none."""
    classes: int
    """K."""

    @cached_property
    def counts(self) -> NDArray[np.float64]:
        """float64[n, K], votes by class."""
        return np.stack(
            [(self.votes == number).sum(axis=1) for number in range(self.classes)], axis=1
        ).astype(np.float64)

    @property
    def abstain(self) -> NDArray[np.bool_]:
        """bool[n]: no vote, or a tie for the most votes."""
        return undecided(self.counts)

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """float64[n, K]: (votes + .25) / (all votes + .25 K)."""
        return shares(self.counts)


def undecided(counts: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where float64[n, K] votes by class elect nobody, bool[n]: no vote, or a tie for the most."""
    most = counts.max(axis=1, keepdims=True)
    return np.asarray((most[:, 0] == 0) | ((counts == most).sum(axis=1) > 1))


def shares(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smoothed shares of float64[n, K] votes by class: (votes + .25) / (all votes + .25 K)."""
    smoothed = counts + SMOOTHING
    return np.asarray(smoothed / smoothed.sum(axis=1, keepdims=True))
