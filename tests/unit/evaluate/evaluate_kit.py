"""Arms made of chosen decisions, for the tests of the statistics."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from w2s_api.spec.task import Task
from w2s_trainer.families.classification import Classification
from w2s_trainer.families.gold_test import ArmAnswers, GoldTest
from w2s_trainer.stages.evaluate.compare import Arms


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
    gold: NDArray[np.int64],
    families: NDArray[np.int64] | None = None,
    *,
    class_names: Sequence[str] = ("other", "wanted"),
    metric: str = "Accuracy",
    positive: int | None = None,
    threshold: float = 0.5,
) -> GoldTest:
    """A test of two classes, each item a family of its own unless said otherwise."""
    named = None if positive is None else class_names[positive]
    task = Task.model_validate({"classes": [{"name": name} for name in class_names], "positiveClass": named})
    apart = np.arange(len(gold)) if families is None else families
    return GoldTest(gold, apart, metric, Classification(task, threshold))


__all__ = ["ArmAnswers", "Arms", "GoldTest", "gold_test", "right_on", "says"]
