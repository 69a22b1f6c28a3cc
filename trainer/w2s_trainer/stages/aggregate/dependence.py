"""Labelers that agree more often than labelers that err independently would. Pure.

Let C[i, j] be the covariance, over texts that both i and j answer, of "i says k" and "j says k". If they are independent
given the class, C[i, j] = b[i] b[j] for every pair (exactly so for two classes), so that each b is known from any other
two labelers: b[i]² = C[i, j] C[i, l] / C[j, l] (the triplets of Fu et al. 2020, "Fast and three-rious", ICML). The median
over all of them is not moved by a few pairs that are not independent, as the fit of a label model is: that makes one
labeler of two that copy each other, believes it, and finds the honest ones at fault.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_LABELERS = 4
"""With three there is one triplet for each, and all fits."""
LEAST_TEXTS = 50
"""Texts that both have to answer before a pair is judged."""
EXCESS = 0.05
"""Agreement beyond the expected that is worth a word."""
DEVIATIONS = 4.0
"""Standard deviations that it has to be beyond: there are 190 pairs of 20 labelers."""


@dataclass(frozen=True)
class Dependent:
    """Two labelers that agree too often."""

    labelers: tuple[str, str]
    texts: int
    """That both answer."""
    agree: float
    """The share of them on which they agree."""
    expected: float
    """The share on which they would, were they independent given the class."""

    def to_json(self) -> dict[str, Any]:
        """For the summary."""
        return {
            "labelers": list(self.labelers),
            "texts": self.texts,
            "agree": round(self.agree, 4),
            "expected": round(self.expected, 4),
        }

    def in_words(self) -> str:
        """Two sentences."""
        return (
            f"`{self.labelers[0]}` and `{self.labelers[1]}` agree on {self.agree:.0%} of the {self.texts:,} texts that"
            f" both answer, where labelers that err independently would on {self.expected:.0%}: what they say alike"
            " counts twice. Leave one out, or let both count half (WeightedAverage)."
        )


def dependent_pairs(votes: NDArray[np.int64], classes: int, names: Sequence[str]) -> list[Dependent]:
    """Finds the pairs that agree too often, the strongest first.

    Args:
        votes: int64[n, S], class numbers, negative where a labeler abstains.
        classes: K.
        names: of the S labelers.
    """
    if len(names) < LEAST_LABELERS:
        return []
    answered = (votes >= 0).astype(np.float64)
    both = answered.T @ answered
    texts = np.maximum(both, 1)
    agree, expected = np.zeros_like(both), np.zeros_like(both)
    for number in range(classes):
        says = (votes == number).astype(np.float64)
        together, alone = says.T @ says / texts, says.T @ answered / texts
        by_chance = alone * alone.T
        strength = _strengths(together - by_chance, alone, both)
        agree += together
        expected += by_chance + np.outer(strength, strength)
    deviation = np.sqrt(np.clip(agree * (1 - agree), 0, None) / texts)
    found = [
        Dependent((names[i], names[j]), int(both[i, j]), float(agree[i, j]), float(expected[i, j]))
        for i, j in combinations(range(len(names)), 2)
        if both[i, j] >= LEAST_TEXTS
        and agree[i, j] - expected[i, j] >= max(EXCESS, DEVIATIONS * deviation[i, j])  # NaN is not
    ]
    return sorted(found, key=lambda pair: pair.expected - pair.agree)


def _strengths(
    covariance: NDArray[np.float64], alone: NDArray[np.float64], both: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The strength b of each labeler, float64[S], for one class; NaN where no triplet tells it.

    Args:
        covariance: float64[S, S], of saying the class.
        alone: float64[S, S], how often the first says it where the second answers.
        both: float64[S, S], texts that both answer.
    """
    spread = alone * (1 - alone)
    noise = np.sqrt(spread * spread.T / np.maximum(both, 1))
    told = (both >= LEAST_TEXTS) & (covariance > 3 * noise)
    strengths = np.full(len(covariance), np.nan)
    for i in range(len(covariance)):
        others = [j for j in range(len(covariance)) if j != i and both[i, j] >= LEAST_TEXTS]
        if others and not spread[i, others].any():
            strengths[i] = 0.0  # it says the class always, or never
            continue
        squares = [
            covariance[i, j] * covariance[i, k] / covariance[j, k]
            for j, k in combinations(others, 2)
            if told[j, k]
        ]
        if squares:
            strengths[i] = np.sqrt(max(0.0, float(np.median(squares))))
    return strengths
