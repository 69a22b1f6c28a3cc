"""Tuning `Head`: every arm and seed as a linear head on features that are computed once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.families import TaskFamily
from w2s_trainer.families.task_family import FittedHead
from w2s_trainer.tuning.training_set import TrainingSet


@dataclass(frozen=True)
class Fitted:
    """One head, and what made it."""

    arm: str
    seed: int
    size: int
    """Rows it was trained on."""
    l2: float
    head: FittedHead


@dataclass(frozen=True)
class HeadToFit:
    """One head to be trained."""

    arm: str
    seed: int
    data: TrainingSet
    l2: float | None
    """None: chosen by cross-validation inside `data`, whole families at a time; gold arms only."""


def fit_heads_of(
    heads: list[HeadToFit],
    features: NDArray[np.float32],
    family: TaskFamily,
    progress: Callable[[int, int], None],
) -> Iterator[Fitted]:
    """Fits each head.

    Args:
        heads: what is to be trained.
        features: float32[N, d] of all examples.
        family: of the task; says how heads are fitted.
        progress: called with (done, total).
    """
    for done, head in enumerate(heads):
        progress(done, len(heads))
        data = head.data
        inputs = features[data.rows]
        l2 = head.l2
        if l2 is None:
            l2 = family.choose_l2(inputs, data, seed=max(head.seed, 0))
        yield Fitted(head.arm, head.seed, len(data), l2, family.fit_head(inputs, data, l2))
    progress(len(heads), len(heads))
