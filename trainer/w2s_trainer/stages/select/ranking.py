"""Which of each class are kept, and what they count. Pure; of equal scores those that come first are kept."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

DECIMALS = 6
"""Scores are compared to so many: what tables keep (float32) and the order of sums must not decide."""


def best_per_class(
    labels: NDArray[np.int64], scores: NDArray[np.floating], fraction: float
) -> NDArray[np.bool_]:
    """Keeps a share of each class, the highest scores first.

    Args:
        labels: int64[n], the class of each.
        scores: float[n].
        fraction: of each class, rounded up.

    Returns:
        bool[n].
    """
    kept = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = int(np.ceil(fraction * len(members) - 1e-9))
        kept[members[np.argsort(-np.round(scores[members], DECIMALS), kind="stable")[:count]]] = True
    return kept


def without_the_worst(
    labels: NDArray[np.int64], scores: NDArray[np.floating], wrong: NDArray[np.bool_], most: float
) -> NDArray[np.bool_]:
    """Drops what is wrong, the lowest scores first, and at most a share of each class.

    Args:
        labels: int64[n], the class of each.
        scores: float[n].
        wrong: bool[n].
        most: the share of each class, rounded down.

    Returns:
        bool[n], what is kept.
    """
    kept = np.ones(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        suspects = members[wrong[members]]
        count = int(np.floor(most * len(members) + 1e-9))
        # The last of equals first, so that of equals the first are kept.
        worst = suspects[::-1][np.argsort(np.round(scores[suspects[::-1]], DECIMALS), kind="stable")]
        kept[worst[:count]] = False
    return kept


def weighed(
    weights: NDArray[np.float64], factors: NDArray[np.floating], kept: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Multiplies weights by factors, and keeps what the kept texts weigh together.

    The penalty of a head is added to a sum over texts: a step that made all of them lighter would regularise, too.

    Args:
        weights: float64[n], above 0.
        factors: float[n], above 0.
        kept: bool[n], with some that are kept.
    """
    product = weights * factors
    return np.asarray(product * (weights[kept].sum() / product[kept].sum()))


def margins(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Probability of the label less that of the likeliest other class, float64[n], of float64[n, K] and int64[n]."""
    others = probabilities.copy()
    at = np.arange(len(labels)), labels
    others[at] = -np.inf
    return np.asarray(probabilities[at] - others.max(axis=1))


def counts(names: Sequence[str], labels: NDArray[np.int64]) -> Mapping[str, int]:
    """How many of labels int64[n] are of each of K classes, by name."""
    return dict(zip(names, np.bincount(labels, minlength=len(names)).tolist(), strict=True))
