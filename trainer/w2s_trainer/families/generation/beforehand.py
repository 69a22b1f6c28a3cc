"""What is known of a teacher that writes before a student is trained. Pure."""

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.families.generation.mean_score import scores_of
from w2s_trainer.families.generation.scores import score_of
from w2s_trainer.families.gold_test import GoldTest
from w2s_trainer.families.intervals import effective_size, share_interval


def teacher_facts(
    test: GoldTest, answers: NDArray[np.object_], abstain: NDArray[np.bool_]
) -> dict[str, float]:
    """How near the teacher's texts are to the experts' on the texts of a seed's budget that it answers.

    Args:
        test: the n texts that were drawn, and the declared metric.
        answers: str[n].
        abstain: bool[n].

    Returns:
        `score`, the mean of the metric, with its 95 % interval; empty if it answers none.
    """
    here = test.part(~abstain)
    if not len(here.gold):
        return {}
    score = float(scores_of(score_of(test.metric), answers[~abstain], here.gold).mean())
    low, high = share_interval(score, effective_size(here.families))
    return {"score": score, "scoreLow": low, "scoreHigh": high}
