"""AUROC: the chance that a positive item is ranked above a negative one."""

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.families.classification.decisions import classes_of
from w2s_trainer.families.gold_test import GoldTest

_CHUNK = 250
"""Replicates at a time: each needs a weight per item."""
_UNDECLARED_REPLICATES = 400
"""Fewer where it does not decide: it costs B · n · K for each arm and seed."""


def replicates(
    test: GoldTest,
    answers: NDArray[np.float64],
    families: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> tuple[float, NDArray[np.float64]]:
    """AUROC on the test, and on each sample (the first 400 where another metric is the declared one)."""
    ranks = Ranks(test.gold, answers, classes_of(test).positive)
    point = ranks.auroc(np.ones((1, len(test.gold))))[0]
    some = weights if test.metric == "AUROC" else weights[:_UNDECLARED_REPLICATES]
    parts = [ranks.auroc(some[start : start + _CHUNK][:, families]) for start in range(0, len(some), _CHUNK)]
    return float(point), np.concatenate(parts)


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
