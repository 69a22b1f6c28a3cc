"""Metrics of decisions and probabilities (docs/protocol.md, Metrics). Pure.

Accuracy and macro-F1 are computed from confusion counts and AUROC from ranks, each with a weight per item, so
that a bootstrap replicate is a vector of weights and nothing is drawn twice.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Metric = Literal["MacroF1", "Accuracy", "AUROC"]
METRICS: tuple[Metric, ...] = ("MacroF1", "Accuracy", "AUROC")

ECE_BINS = 15


def decide(
    probabilities: NDArray[np.float64], positive: int | None = None, threshold: float = 0.5
) -> NDArray[np.int64]:
    """The class of each item: the likeliest, ties to the first; of two with a positive one, by a threshold.

    Args:
        probabilities: float64[..., K].
        positive: index of the positive class.
        threshold: with K = 2 and a positive class, positive from this probability on.

    Returns:
        int64[...].
    """
    if probabilities.shape[-1] == 2 and positive is not None:
        chosen = probabilities[..., positive] >= threshold
        return np.where(chosen, positive, 1 - positive).astype(np.int64)
    return np.asarray(probabilities.argmax(axis=-1), dtype=np.int64)


def confusion(
    gold: NDArray[np.int64], decided: NDArray[np.int64], families: NDArray[np.int64], classes: int
) -> NDArray[np.float64]:
    """Confusion counts by family: float64[F, K, K], gold by decided.

    Args:
        gold: int64[n].
        decided: int64[n].
        families: int64[n], numbered 0 … F-1.
        classes: K.
    """
    counts = np.zeros((int(families.max()) + 1 if len(families) else 0, classes, classes))
    np.add.at(counts, (families, gold, decided), 1.0)
    return counts


def accuracy(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Accuracy of confusion counts float64[..., K, K]: float64[...]."""
    right = np.trace(counts, axis1=-2, axis2=-1)
    return np.asarray(right / np.maximum(counts.sum(axis=(-2, -1)), 1e-12))


def macro_f1(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Macro-F1 of confusion counts float64[..., K, K]: float64[...]. An absent class counts as 0."""
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    both = counts.sum(axis=-1) + counts.sum(axis=-2)
    return np.asarray((2 * right / np.maximum(both, 1e-12)).mean(axis=-1))


class Ranks:
    """Weighted AUROC of one arm, sorted once for all replicates.

    Args:
        gold: int64[n].
        probabilities: float64[n, K].
        positive: the class to rank for; None means the mean over all classes, each against the rest.
    """

    def __init__(
        self, gold: NDArray[np.int64], probabilities: NDArray[np.float64], positive: int | None
    ) -> None:
        self._sorted = []
        classes = range(probabilities.shape[1]) if positive is None else [positive]
        for label in classes:
            order = np.argsort(probabilities[:, label], kind="stable")
            scores = probabilities[order, label]
            ends = np.flatnonzero(np.append(np.diff(scores) > 0, True))  # the last of each group of ties
            self._sorted.append((order, ends, (gold[order] == label).astype(np.float64)))

    def auroc(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """AUROC float64[B] for item weights float64[B, n]; NaN where one side is empty."""
        values = []
        for order, ends, is_positive in self._sorted:
            w = weights[:, order]
            positive = np.cumsum(w * is_positive, axis=1)[:, ends]
            negative = np.cumsum(w * (1 - is_positive), axis=1)[:, ends]
            positive_here = np.diff(positive, axis=1, prepend=0)
            negative_here = np.diff(negative, axis=1, prepend=0)
            below = negative - negative_here
            won = (positive_here * (below + 0.5 * negative_here)).sum(axis=1)
            pairs = positive[:, -1] * negative[:, -1]
            with np.errstate(invalid="ignore", divide="ignore"):
                values.append(np.where(pairs > 0, won / pairs, np.nan))
        there = np.isfinite(values)  # a replicate without one class is the mean over the others
        with np.errstate(invalid="ignore"):
            return np.asarray(np.where(there, values, 0.0).sum(axis=0) / there.sum(axis=0))


def brier(gold: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    """Brier score, the mean of Σₖ (pₖ − 1[y = k])², 0 to 2 (Brier 1950).

    Args:
        gold: int64[n].
        probabilities: float64[n, K].
    """
    truth = np.eye(probabilities.shape[1])[gold]
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())


def log_loss(gold: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    """Mean of −ln p of the right class, in nats; p is kept above 2⁻⁵², so that a sure error stays finite.

    Args:
        gold: int64[n].
        probabilities: float64[n, K].
    """
    right = probabilities[np.arange(len(gold)), gold]
    return float(-np.log(np.clip(right, np.finfo(np.float64).eps, 1.0)).mean())


def calibration_bins(
    gold: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> list[dict[str, float | int]]:
    """Fifteen bins of equal width over the probability of the likeliest class: low, high, n, mean, right."""
    sure, decided = probabilities.max(axis=1), probabilities.argmax(axis=1)
    place = np.clip((sure * ECE_BINS).astype(int), 0, ECE_BINS - 1)
    bins: list[dict[str, float | int]] = []
    for number in range(ECE_BINS):
        mine = place == number
        if mine.any():
            bins.append(
                {
                    "low": number / ECE_BINS,
                    "high": (number + 1) / ECE_BINS,
                    "n": int(mine.sum()),
                    "probability": float(sure[mine].mean()),
                    "accuracy": float((decided[mine] == gold[mine]).mean()),
                }
            )
    return bins


def calibration_error(gold: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    """ECE over fifteen bins of equal width (Guo et al. 2017)."""
    return float(
        sum(
            bin_["n"] / len(gold) * abs(bin_["accuracy"] - bin_["probability"])
            for bin_ in calibration_bins(gold, probabilities)
        )
    )
