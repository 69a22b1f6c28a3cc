"""The gold test, and what arms answer on it."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from w2s_trainer.families.task_family import TaskFamily


@dataclass(frozen=True)
class GoldTest:
    """The texts that every arm is measured on."""

    gold: NDArray[Any]
    """[n], as the task's family keeps it. Of classes: int64, their indices."""
    families: NDArray[np.int64]
    """int64[n]; any numbers. Of near-duplicates and groups."""
    metric: str
    """The declared one."""
    task: "TaskFamily"
    """The kind of task, bound to this one: metrics ask it how answers are read."""

    def part(self, mask: NDArray[np.bool_]) -> "GoldTest":
        """Some of the texts, bool[n]."""
        return replace(self, gold=self.gold[mask], families=self.families[mask])


@dataclass(frozen=True)
class ArmAnswers:
    """What one arm says of the n test items, for S seeds (1: no draw changes it)."""

    values: NDArray[Any]
    """[S, n, …], one answer each. Of classes: float64[S, n, K], their probabilities."""
    abstain: NDArray[np.bool_]
    """bool[S, n]: answered by the fallback, not by the arm itself."""
    cut_off: NDArray[np.bool_] | None = None
    """bool[S, n]: the answer was longer than it may be; None where that is not known, or cannot be."""

    def of_seed(self, place: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Answers [n, …] and abstentions bool[n] of the seed at a place, or those of every seed."""
        return self.values[min(place, len(self.values) - 1)], self.abstain[min(place, len(self.abstain) - 1)]
