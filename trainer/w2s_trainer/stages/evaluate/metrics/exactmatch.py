"""Exact match: the share of texts whose answer is the expert's, case and white space aside."""

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.families.generation.mean_score import mean_replicates
from w2s_trainer.families.generation.scores import exact_match
from w2s_trainer.families.gold_test import GoldTest


def replicates(
    test: GoldTest,
    answers: NDArray[np.object_],
    families: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> tuple[float, NDArray[np.float64]]:
    """Exact match on the test, and on each sample."""
    return mean_replicates(exact_match, test, answers, families, weights)
