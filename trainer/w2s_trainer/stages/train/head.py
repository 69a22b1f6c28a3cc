"""Tuning `Head`: every arm and seed as a linear head on features that are computed once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.models.head import Head, cross_validated_l2, fit
from w2s_trainer.stages.train.arms import TrainingSet


@dataclass(frozen=True)
class Fitted:
    """One head, and what made it."""

    arm: str
    seed: int
    size: int
    """Rows it was trained on."""
    l2: float
    head: Head


@dataclass(frozen=True)
class Arm:
    """One head to be trained."""

    name: str
    seed: int
    data: TrainingSet
    l2: float | None
    """None: chosen by cross-validation inside `data`, whole families at a time; gold arms only."""


def fit_arms(
    arms: list[Arm],
    features: NDArray[np.float32],
    families: NDArray[np.int64],
    progress: Callable[[int, int], None],
) -> Iterator[Fitted]:
    """Fits each arm.

    Args:
        arms: what is to be trained.
        features: float32[N, d] of all examples.
        families: int64[N], so that no family is on both sides of a fold.
        progress: called with (done, total).
    """
    for done, arm in enumerate(arms):
        progress(done, len(arms))
        data = arm.data
        inputs = features[data.rows]
        l2 = arm.l2
        if l2 is None:
            l2 = cross_validated_l2(
                inputs, data.targets.argmax(axis=1), families[data.rows], seed=max(arm.seed, 0)
            )
        head = fit(inputs, data.targets, data.weights, l2)
        yield Fitted(arm.name, arm.seed, len(data), l2, head)
    progress(len(arms), len(arms))
