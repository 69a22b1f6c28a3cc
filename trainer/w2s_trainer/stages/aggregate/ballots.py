"""Votes of the labelers: which class each is for on each text. Pure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.stages.aggregate.methods import Aggregated
from w2s_trainer.stages.tables import WeakLabels

ABSTAINS = -1
"""The vote of a labeler that says nothing."""


def votes_of(labels: Sequence[WeakLabels]) -> NDArray[np.int64]:
    """The likeliest class of each labeler's distribution, int64[N, S]; ABSTAINS where it abstains.

    Ties go to the class listed first.
    """
    return np.stack(
        [np.where(weak.abstain, ABSTAINS, weak.targets.argmax(axis=1)) for weak in labels], axis=1
    )


def by_votes(
    votes: NDArray[np.int64], posterior: NDArray[np.float64], pool: NDArray[np.int64], names: Sequence[str]
) -> Aggregated:
    """The outcome of a method that gives the probability of each class in the light of all votes.

    Args:
        votes: int64[N, S].
        posterior: float64[N, K]; what stands where nobody votes means nothing.
        pool: rows that accuracies are estimated on.
        names: of the S labelers.
    """
    accuracies = {}
    for place, name in enumerate(names):
        rows = pool[votes[pool, place] >= 0]
        if len(rows):
            accuracies[name] = float(posterior[rows, votes[rows, place]].mean())
    return Aggregated(WeakLabels(posterior, np.asarray((votes < 0).all(axis=1))), accuracies)
