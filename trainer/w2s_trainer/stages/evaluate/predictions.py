"""The arms' answers on the test, put side by side: float64[S, n, K] each. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.stages.tables import WeakLabels, of_seed


@dataclass(frozen=True)
class ArmAnswers:
    """What one arm says of the n test items, for S seeds (1: no draw changes it)."""

    probabilities: NDArray[np.float64]
    """float64[S, n, K]."""
    abstain: NDArray[np.bool_]
    """bool[S, n]: answered by the fallback, not by the arm itself."""


def weak_answers(
    labels: Mapping[int, WeakLabels], rows: NDArray[np.int64], pool: NDArray[np.int64]
) -> ArmAnswers:
    """The teacher on the test. Where it abstains it answers with the class shares of its own pool labels."""
    probabilities, abstain = [], []
    for seed in sorted(labels):
        weak = labels[seed]
        voted = pool[~weak.abstain[pool]]
        shares = weak.probabilities[voted].mean(axis=0)
        silent = weak.abstain[rows]
        probabilities.append(np.where(silent[:, None], shares, weak.probabilities[rows]))
        abstain.append(silent)
    return ArmAnswers(np.stack(probabilities), np.stack(abstain))


def cascade_answers(weak: ArmAnswers, strong: ArmAnswers) -> ArmAnswers:
    """The teacher where it votes, the student where it abstains."""
    seeds = max(len(weak.probabilities), len(strong.probabilities))
    teacher = np.broadcast_to(weak.probabilities, (seeds, *weak.probabilities.shape[1:]))
    student = np.broadcast_to(strong.probabilities, (seeds, *strong.probabilities.shape[1:]))
    silent = np.broadcast_to(weak.abstain, (seeds, weak.abstain.shape[1]))
    return ArmAnswers(np.where(silent[:, :, None], student, teacher), np.zeros_like(silent))


def stacked(by_seed: Mapping[int, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Predictions by seed as float64[S, n, K], seeds ascending."""
    return np.stack([of_seed(by_seed, seed) for seed in sorted(by_seed)])
