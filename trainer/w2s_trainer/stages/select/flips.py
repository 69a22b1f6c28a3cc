"""What changing labels did to those that an expert gave, too: net flips. Pure."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.stages.evaluate.bootstrap import Interval, family_weights, interval


@dataclass(frozen=True)
class Flips:
    """How many of m labels became right, became wrong, or went from one wrong class to another."""

    labels: int
    wrong_to_right: int
    right_to_wrong: int
    wrong_to_wrong: int
    net: Interval | None
    """Wrong to right less right to wrong, as a share of the m labels, by the bootstrap over families; None of no labels."""

    def to_json(self) -> dict[str, Any]:
        """As the audit has it."""
        return {
            "labels": self.labels,
            "wrongToRight": self.wrong_to_right,
            "rightToWrong": self.right_to_wrong,
            "wrongToWrong": self.wrong_to_wrong,
            "netFlips": self.wrong_to_right - self.right_to_wrong,
            "netShare": self.net.to_json() if self.net else None,
        }


def flips(
    before: NDArray[np.int64],
    after: NDArray[np.int64],
    gold: NDArray[np.int64],
    families: NDArray[np.int64],
) -> Flips:
    """Compares labels before and after with what an expert says.

    Args:
        before: int64[m].
        after: int64[m].
        gold: int64[m].
        families: int64[m]: labels of one stand or fall together.
    """
    if not len(gold):
        return Flips(0, 0, 0, 0, None)
    right, wrong = (before != gold) & (after == gold), (before == gold) & (after != gold)
    _, of = np.unique(families, return_inverse=True)
    net = np.bincount(of, weights=right.astype(np.float64) - wrong)
    sizes = np.bincount(of).astype(np.float64)
    drawn = family_weights(len(sizes), np.random.default_rng(0))
    found = interval(np.array([net.sum() / sizes.sum()]), (drawn @ net) / (drawn @ sizes))
    return Flips(
        len(gold),
        int(right.sum()),
        int(wrong.sum()),
        int(((before != after) & (before != gold) & (after != gold)).sum()),
        found,
    )
