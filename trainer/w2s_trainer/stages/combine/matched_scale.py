"""How much a teacher counts by how often it is right on the gold budget (docs/protocol.md, The combination). Pure."""

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.stages.combine.log_odds import Source, log_softmax
from w2s_trainer.stages.combine.stacking import MOST

OWN_WORD = 4.0
"""n₀: labels that what a teacher claims of itself counts as much as."""


def raised_scale(pool: Source, budget: Source, gold: NDArray[np.int64], families: NDArray[np.int64]) -> float:
    """The weight that a teacher's is shrunk to: `matched_scale`, or 1 where that is less.

    A poor teacher is not lowered by it: few labels tell poor from fair badly, and the other sources outvote it. Arguments
    and bounds are those of `matched_scale`.
    """
    return max(1.0, matched_scale(pool, budget, gold, families))


def matched_scale(
    pool: Source,
    budget: Source,
    gold: NDArray[np.int64],
    families: NDArray[np.int64],
    prior_labels: float = OWN_WORD,
) -> float:
    """The scale of a source's log-odds at which it claims to be right as often as it is estimated to be.

    Claimed at scale a is the mean over the pool's texts that it answers of the largest probability of softmax(a u).
    Estimated is (right + n₀ c) / (m + n₀), c being what it claims at scale 1: the mean of a Beta distribution, which
    begins at its own word for n₀ labels. Texts of one family are one label, right in the share that is right.

    Args:
        pool: what it says of the pool.
        budget: what it says of n gold texts, none of which it was shown.
        gold: int64[n], their classes.
        families: int64[n].
        prior_labels: n₀.

    Returns:
        Between 0 and 4; 1 where it answers no text of the budget or of the pool.
    """
    from scipy.optimize import brentq

    claims = pool.log_odds[~pool.abstain]
    told = ~budget.abstain
    if not len(claims) or not told.any():
        return 1.0
    right = budget.log_odds[told].argmax(axis=1) == gold[told]
    _, family, texts = np.unique(families[told], return_inverse=True, return_counts=True)
    count = len(texts)
    times_right = float((np.bincount(family, weights=right) / texts).sum())
    wanted = (times_right + prior_labels * _claimed(claims, 1.0)) / (count + prior_labels)
    if not _claimed(claims, 0.0) < wanted < _claimed(claims, MOST):
        return 0.0 if wanted <= _claimed(claims, 0.0) else MOST
    return float(brentq(lambda scale: _claimed(claims, scale) - wanted, 0.0, MOST, xtol=1e-9))


def _claimed(claims: NDArray[np.float64], scale: float) -> float:
    return float(np.exp(log_softmax(scale * claims)).max(axis=1).mean())
