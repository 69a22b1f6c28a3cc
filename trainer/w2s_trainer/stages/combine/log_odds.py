"""What a source says of texts as K centred log-probabilities, which add up where sources agree. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FLOOR = 1e-2
"""Least probability that a teacher is believed for a class."""


@dataclass(frozen=True)
class Source:
    """What one of those who answer says of n texts."""

    log_odds: NDArray[np.float64]
    """float64[n, K]: log-probabilities less their mean over the classes, finite."""
    abstain: NDArray[np.bool_]
    """bool[n]: where it says nothing; its log-odds do not count there."""

    def at(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> "Source":
        """Of some of the texts, by their places int[m] or a mask bool[n]."""
        return Source(self.log_odds[rows], self.abstain[rows])


def from_probabilities(
    probabilities: NDArray[np.float64],
    abstain: NDArray[np.bool_] | None = None,
    floor: float = FLOOR,
) -> Source:
    """A source of probabilities, which are clipped from below: votes and naive Bayes answer 0 and 1.

    Args:
        probabilities: float64[n, K].
        abstain: bool[n]; None: it always answers.
        floor: above 0.
    """
    silent = np.zeros(len(probabilities), dtype=bool) if abstain is None else abstain
    return Source(centred(np.log(np.maximum(probabilities, floor))), silent)


def from_logits(logits: NDArray[np.float64]) -> Source:
    """A source that always answers, of logits or log-probabilities float64[n, K]; nothing is clipped."""
    return Source(centred(logits), np.zeros(len(logits), dtype=bool))


def mean_answer(source: Source) -> NDArray[np.float64]:
    """Centred logarithms float64[K] of the mean of a source's probabilities over the texts that it answers.

    0 for each class where it answers none.
    """
    answered = source.log_odds[~source.abstain]
    if not len(answered):
        return np.zeros(source.log_odds.shape[1])
    return log_shares(np.exp(log_softmax(answered)).mean(axis=0))


def log_shares(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centred logarithms float64[K] of shares float64[K] of the classes, which are kept above 0."""
    return centred(np.log(np.maximum(shares, np.finfo(np.float64).tiny)))


def centred(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logits or log-probabilities float64[…, K] less their mean over the classes: the same for both."""
    return np.asarray(logits - logits.mean(axis=-1, keepdims=True))


def log_softmax(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normalised log-probabilities float64[…, K] of log-odds float64[…, K], finite."""
    shifted = log_odds - log_odds.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))
