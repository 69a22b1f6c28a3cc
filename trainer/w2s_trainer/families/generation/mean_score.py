"""Metrics of written texts: the mean of a score of each text. Pure."""

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.families.generation.references import best
from w2s_trainer.families.generation.scores import Score
from w2s_trainer.families.gold_test import GoldTest


def scores_of(score: Score, answers: NDArray[np.object_], gold: NDArray[np.object_]) -> NDArray[np.float64]:
    """The score of each answer, str[n], by the best of its gold texts (`references.Gold`, [n]): float64[n]; 0 for none."""
    pairs = zip(answers.tolist(), gold.tolist(), strict=True)
    return np.array([best(score, answer, texts) if answer else 0.0 for answer, texts in pairs])


def mean_replicates(
    score: Score,
    test: GoldTest,
    answers: NDArray[np.object_],
    families: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> tuple[float, NDArray[np.float64]]:
    """The mean of a score on the test, and float64[B] on its samples; arguments as of a metric."""
    each = scores_of(score, answers, test.gold)
    sums = np.bincount(families, each, minlength=weights.shape[1])
    sizes = np.bincount(families, minlength=weights.shape[1])
    return float(each.mean()), (weights @ sums) / (weights @ sizes)
