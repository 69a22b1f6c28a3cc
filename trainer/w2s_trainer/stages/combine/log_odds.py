"""What a source says of a text as K centred log-probabilities, which add up where sources agree. Pure."""

import numpy as np
from numpy.typing import NDArray

FLOOR = 1e-3
"""Least probability that a teacher is believed for a class."""


def of_probabilities(
    probabilities: NDArray[np.float64],
    abstain: NDArray[np.bool_] | None = None,
    floor: float = FLOOR,
) -> NDArray[np.float64]:
    """Centred log-probabilities: ln pₖ less its mean over the classes, p clipped from below.

    Args:
        probabilities: float64[n, K].
        abstain: bool[n], where the source says nothing: all 0 there, whatever its probabilities; None: nowhere.
        floor: above 0, since votes and naive Bayes answer 0 and 1.

    Returns:
        float64[n, K], finite, rows sum to 0.
    """
    log_odds = centred(np.log(np.maximum(probabilities, floor)))
    if abstain is not None:
        log_odds[abstain] = 0.0
    return log_odds


def centred(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logits or log-probabilities float64[n, K] less their mean over the classes: the same for both."""
    return np.asarray(logits - logits.mean(axis=-1, keepdims=True))


def log_softmax(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normalised log-probabilities float64[n, K] of log-odds float64[n, K], finite."""
    shifted = log_odds - log_odds.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))
