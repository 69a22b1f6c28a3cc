"""Labelers that agree more often than labelers that err independently would. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.stages.aggregate.dawid_skene import LEAST, rates_of

MOST_TEXTS = 20_000
"""Texts that are looked at, evenly spaced: what many more would show is too small to matter."""
LEAST_TEXTS = 50
"""Texts that both have to answer before a pair is judged."""
EXCESS = 0.05
"""Agreement beyond the expected that is worth a word."""
DEVIATIONS = 4.0
"""Standard deviations that it has to be beyond: of 496 pairs of 32 labelers, chance brings none so far."""


@dataclass(frozen=True)
class Dependent:
    """Two labelers that agree too often."""

    labelers: tuple[str, str]
    texts: int
    """That both answer."""
    agree: float
    """The share of them on which they agree."""
    expected: float
    """The share on which two labelers with their confusion matrices would, independent given the class."""

    def to_json(self) -> dict[str, Any]:
        """For the summary."""
        return {
            "labelers": list(self.labelers),
            "texts": self.texts,
            "agree": round(self.agree, 4),
            "expected": round(self.expected, 4),
        }

    def in_words(self) -> str:
        """One sentence."""
        return (
            f"`{self.labelers[0]}` and `{self.labelers[1]}` agree on {self.agree:.0%} of the {self.texts:,} texts that"
            f" both answer, where labelers that err independently would on {self.expected:.0%}: what they say alike"
            " counts twice. Leave one out, or let both count half (WeightedAverage)."
        )


def dependent_pairs(
    votes: NDArray[np.int64], posterior: NDArray[np.float64], names: Sequence[str]
) -> list[Dependent]:
    """Finds the pairs that agree too often, the strongest first.

    Confusion matrices are those of the aggregated labels; the class of a text is judged by the votes of the others.
    The pair's own votes have shaped the aggregated labels, which makes the test milder, not stricter.

    Args:
        votes: int64[n, S], negative where a labeler abstains.
        posterior: float64[n, K], the aggregated labels.
        names: of the S labelers; with fewer than 3 there is nobody to judge a pair by.
    """
    if len(names) < 3:
        return []
    chosen = np.flatnonzero((votes >= 0).sum(axis=1) >= 2)
    chosen = chosen[:: max(1, -(-len(chosen) // MOST_TEXTS))]
    votes, posterior = votes[chosen], posterior[chosen]
    rates = rates_of(votes, posterior, posterior.shape[1])
    logs = np.log(np.maximum(rates.confusion, LEAST))
    said = np.zeros((len(names), *posterior.shape))
    for place, column in enumerate(votes.T):
        given = column >= 0
        said[place, given] = logs[place][:, column[given]].T
    whole = np.log(np.maximum(rates.shares, LEAST)) + said.sum(axis=0)
    found = []
    for one, other in combinations(range(len(names)), 2):
        both = np.flatnonzero((votes[:, one] >= 0) & (votes[:, other] >= 0))
        if len(both) < LEAST_TEXTS:
            continue
        without = whole[both] - said[one, both] - said[other, both]
        odds = np.exp(without - without.max(axis=1, keepdims=True))
        others = odds / odds.sum(axis=1, keepdims=True)
        alike = (rates.confusion[one] * rates.confusion[other]).sum(axis=1)
        chances = others @ alike
        agree = float((votes[both, one] == votes[both, other]).mean())
        expected = float(chances.mean())
        deviation = float(np.sqrt((chances * (1 - chances)).sum())) / len(both)
        if agree - expected >= max(EXCESS, DEVIATIONS * deviation):
            found.append(Dependent((names[one], names[other]), len(both), agree, expected))
    return sorted(found, key=lambda pair: pair.expected - pair.agree)
