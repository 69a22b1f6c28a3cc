"""chrF: how far short runs of characters of answer and reference are the same."""

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.families.generation.mean_score import mean_replicates
from w2s_trainer.families.generation.scores import chrf
from w2s_trainer.families.gold_test import GoldTest


def replicates(
    test: GoldTest,
    answers: NDArray[np.object_],
    families: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> tuple[float, NDArray[np.float64]]:
    """chrF on the test, and on each sample."""
    return mean_replicates(chrf, test, answers, families, weights)
