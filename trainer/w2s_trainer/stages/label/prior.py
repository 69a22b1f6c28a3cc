"""Prior matching: shifts of the scores, with which a model has no favourite words. Pure."""

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-9
"""How far the mean probability of a class may be from its target."""


def matching_shift(
    scores: NDArray[np.float64], target: NDArray[np.float64], steps: int = 1000
) -> NDArray[np.float64]:
    """Shifts b with mean_i softmax(scores_i + b) = target: models prefer some answers, whatever the text.

    What Zhao et al. 2021 ("Calibrate before use") take from a text without content is taken from the texts
    themselves, as Saerens et al. 2002 do for a changed prior; with scores of a prompted model it is the prior
    matching of Liusie et al. 2023 (arXiv 2309.04992). b minimises the convex mean_i logsumexp(scores_i + b) −
    target · b. Newton's method, where its step helps; otherwise the fixed-point step b += log(target / mean),
    which is one of matrix scaling (Sinkhorn 1964) and never leads away.

    Args:
        scores: float64[n, K], finite.
        target: float64[K], positive, sums to 1.
        steps: at most so many; each is of n K operations and one K × K system.

    Returns:
        float64[K], mean 0; zeros where there are no scores.
    """
    shift = np.zeros(scores.shape[1])
    if not len(scores):
        return shift
    value = _objective(scores, target, shift)
    for _ in range(steps):
        odds = _softmax(scores + shift)
        mean = odds.mean(axis=0)
        if np.abs(mean - target).max() < TOLERANCE:
            break
        curvature = np.diag(mean) - odds.T @ odds / len(odds)
        newton = shift + _bounded(np.linalg.lstsq(curvature, target - mean, rcond=1e-12)[0])
        fixed = shift + np.log(target) - np.log(np.maximum(mean, 1e-300))
        values = [_objective(scores, target, candidate) for candidate in (newton, fixed)]
        if min(values) >= value:
            break  # nothing more to be had in float64
        shift, value = (newton, values[0]) if values[0] <= values[1] else (fixed, values[1])
        shift = shift - shift.mean()
    return shift


def uniform(k: int) -> NDArray[np.float64]:
    """Each class as likely as the others, float64[K]."""
    return np.full(k, 1 / k)


def shares(labels: NDArray[np.int64], k: int) -> NDArray[np.float64]:
    """Class shares of gold labels with one more of each class (Laplace), float64[K]: none is impossible."""
    counts = np.bincount(labels, minlength=k) + 1.0
    return np.asarray(counts / counts.sum())


def _objective(scores: NDArray[np.float64], target: NDArray[np.float64], shift: NDArray[np.float64]) -> float:
    shifted = scores + shift
    highest = shifted.max(axis=1)
    normaliser = highest + np.log(np.exp(shifted - highest[:, None]).sum(axis=1))
    return float(normaliser.mean() - target @ shift)


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def _bounded(step: NDArray[np.float64], most: float = 10.0) -> NDArray[np.float64]:
    """Where every answer is certain, the curvature is nothing and Newton's step is anything."""
    longest = np.abs(step).max()
    return step if longest <= most else step * (most / longest)
