"""The arms' answers on the test, put side by side. Pure."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.families import TaskFamily
from w2s_trainer.families.gold_test import ArmAnswers
from w2s_trainer.stages.tables import WeakLabels, of_seed


def weak_answers(
    labels: Mapping[int, WeakLabels], rows: NDArray[np.int64], pool: NDArray[np.int64], family: TaskFamily
) -> ArmAnswers:
    """The teacher on the test. Where it abstains it answers with what is typical of its own pool labels."""
    values, abstain = [], []
    for seed in sorted(labels):
        weak = labels[seed]
        voted = pool[~weak.abstain[pool]]
        silent = weak.abstain[rows]
        answers = weak.targets[rows].copy()
        answers[silent] = family.typical(weak.targets[voted])
        values.append(answers)
        abstain.append(silent)
    return ArmAnswers(np.stack(values), np.stack(abstain))


def cascade_answers(weak: ArmAnswers, strong: ArmAnswers) -> ArmAnswers:
    """The teacher where it votes, the student where it abstains."""
    values, cut_off = [], []
    for place in range(max(len(weak.values), len(strong.values))):
        (teacher, silent), (student, _) = weak.of_seed(place), strong.of_seed(place)
        answers = teacher.copy()
        answers[silent] = student[silent]
        values.append(answers)
        if strong.cut_off is not None:
            cut_off.append(silent & strong.cut_off[min(place, len(strong.cut_off) - 1)])
    return ArmAnswers(
        np.stack(values),
        np.zeros((len(values), weak.abstain.shape[1]), dtype=bool),
        np.stack(cut_off) if cut_off else None,
    )


def self_trained_answers(
    combined: ArmAnswers, rounds: Mapping[int, ArmAnswers], accepted: Mapping[int, int]
) -> ArmAnswers:
    """Of each seed the answers of its last accepted round; those of the combination where that is the first.

    Args:
        combined: of the combination.
        rounds: of the students of self-training, by round from 2.
        accepted: the last accepted round by seed.
    """
    by_round = {1: combined, **rounds}
    taken = [by_round[accepted[seed]].of_seed(place) for place, seed in enumerate(sorted(accepted))]
    return ArmAnswers(np.stack([values for values, _ in taken]), np.stack([silent for _, silent in taken]))


def stacked(by_seed: Mapping[int, NDArray[Any]]) -> NDArray[Any]:
    """Answers by seed as [S, n, …], seeds ascending."""
    return np.stack([of_seed(by_seed, seed) for seed in sorted(by_seed)])
