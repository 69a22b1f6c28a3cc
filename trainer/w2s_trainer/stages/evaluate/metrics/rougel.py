"""ROUGE-L: how far the words of answer and reference are the same, in this order."""

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.families.generation.mean_score import mean_replicates
from w2s_trainer.families.generation.scores import rouge_l
from w2s_trainer.families.gold_test import GoldTest


def replicates(
    test: GoldTest,
    answers: NDArray[np.object_],
    families: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> tuple[float, NDArray[np.float64]]:
    """ROUGE-L on the test, and on each sample."""
    return mean_replicates(rouge_l, test, answers, families, weights)
