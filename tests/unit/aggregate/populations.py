"""Populations of votes whose every pattern is as frequent as a model says, to the last text: the model is their only fit."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from w2s_api.spec.task import ClassLabel, Task
from w2s_trainer.families.classification import Classification
from w2s_trainer.stages.tables import WeakLabels

TEXTS = 10_000


def population(shares: Sequence[float], rates: Sequence[Sequence[Sequence[float]]]) -> NDArray[np.int64]:
    """Votes int64[TEXTS, S] of labelers that are independent given the class.

    Args:
        shares: K, of the classes.
        rates: of each labeler P(vote | class), [vote][class]; what is left of 1 is the rate of abstentions, -1.
    """
    labelers = np.array(rates)
    silent = 1 - labelers.sum(axis=1)
    rows = []
    for pattern in product(range(-1, len(shares)), repeat=len(labelers)):
        chance = np.array(shares) * np.prod(
            [
                of[vote] if vote >= 0 else none
                for of, none, vote in zip(labelers, silent, pattern, strict=True)
            ],
            axis=0,
        )
        count = chance.sum() * TEXTS
        assert abs(count - round(count)) < 1e-6, "a pattern of a part of a text"
        rows += [pattern] * round(count)
    assert len(rows) == TEXTS
    return np.array(rows)


def classes_called(count: int) -> Classification:
    """A task of so many classes."""
    return Classification(Task(classes=[ClassLabel(name=f"class-{number}") for number in range(count)]))


def labels_of(votes: NDArray[np.int64], classes: int) -> dict[str, WeakLabels]:
    """Labelers a, b, c, … that cast these votes, in distributions that are not sure."""
    found = {}
    for name, column in zip("abcdefgh", votes.T, strict=False):
        sure = np.full((len(votes), classes), 0.2 / max(1, classes - 1))
        sure[np.arange(len(votes)), np.maximum(column, 0)] = 0.8
        found[name] = WeakLabels(sure, column < 0)
    return found
