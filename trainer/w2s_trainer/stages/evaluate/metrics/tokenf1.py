"""Token F1: how far the words of answer and reference are the same, in any order."""

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.families.generation.mean_score import mean_replicates
from w2s_trainer.families.generation.scores import token_f1
from w2s_trainer.families.gold_test import GoldTest


def replicates(
    test: GoldTest,
    answers: NDArray[np.object_],
    families: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> tuple[float, NDArray[np.float64]]:
    """Token F1 on the test, and on each sample."""
    return mean_replicates(token_f1, test, answers, families, weights)
