"""Arms made of chosen decisions, for the tests of the statistics."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.stages.evaluate.compare import Arms
from w2s_trainer.stages.evaluate.gold_test import GoldTest
from w2s_trainer.stages.evaluate.predictions import ArmAnswers


def says(decisions: Sequence[Sequence[int]] | NDArray[np.int64], classes: int = 2) -> ArmAnswers:
    """An arm that decides so, by seed (S, n), and is always sure to .8."""
    decided = np.atleast_2d(np.asarray(decisions, dtype=np.int64))
    probabilities = np.full((*decided.shape, classes), 0.2 / (classes - 1))
    np.put_along_axis(probabilities, decided[..., None], 0.8, axis=-1)
    return ArmAnswers(probabilities, np.zeros(decided.shape, dtype=bool))


def right_on(gold: NDArray[np.int64], *shares: float) -> ArmAnswers:
    """An arm of two classes that is right on the first share of the items; a share for each seed."""
    place = np.arange(len(gold)) / len(gold)
    return says(np.stack([np.where(place < share, gold, 1 - gold) for share in shares]))


def gold_test(
    gold: NDArray[np.int64], families: NDArray[np.int64] | None = None, **given: object
) -> GoldTest:
    """A test of two classes, each item a family of its own unless said otherwise."""
    settings: dict[str, object] = {"class_names": ("other", "wanted"), "metric": "Accuracy", **given}
    return GoldTest(gold, np.arange(len(gold)) if families is None else families, **settings)  # type: ignore[arg-type]


__all__ = ["ArmAnswers", "Arms", "GoldTest", "gold_test", "right_on", "says"]
