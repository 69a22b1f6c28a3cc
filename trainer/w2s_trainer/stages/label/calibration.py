"""Calibration `Temperature`: one number that makes a labeler as sure as it is right (Guo et al. 2017)."""

import numpy as np
from numpy.typing import NDArray

LOWEST, HIGHEST = 0.05, 20.0


def fit_temperature(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """The temperature with the smallest log loss on gold labels, between .05 and 20.

    Args:
        probabilities: float64[n, K].
        labels: int64[n], gold.

    Returns:
        1 where there are no labels.
    """
    from scipy.optimize import minimize_scalar

    if not len(labels):
        return 1.0

    def loss(log_temperature: float) -> float:
        tempered = at_temperature(probabilities, float(np.exp(log_temperature)))
        return float(-np.log(np.maximum(tempered[np.arange(len(labels)), labels], 1e-12)).mean())

    found = minimize_scalar(loss, bounds=(np.log(LOWEST), np.log(HIGHEST)), method="bounded")
    return float(np.exp(found.x))


def at_temperature(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """softmax(log p / T), float64[n, K]."""
    logs = np.log(np.maximum(probabilities, 1e-12)) / temperature
    odds = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))
