"""A round of self-training for one seed, and the rule that stops it (docs/protocol.md, Rounds). Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.models.head import Head, folds_of
from w2s_trainer.stages.combine.combination import STRONG, Combination, combination_of
from w2s_trainer.stages.combine.log_odds import log_softmax, mean_answer
from w2s_trainer.stages.combine.sources import CombinedSources
from w2s_trainer.stages.label.calibration import at_temperature, fit_temperature

Teach = Callable[[NDArray[np.float64]], Head]
"""Fits the student of labels of the whole pool, float64[n, K]."""


@dataclass(frozen=True)
class Round:
    """What a round leaves to the next."""

    student: Head
    without: Mapping[int, Head]
    """By fold of the gold budget, the student that was taught without the fold's gold labels; empty where there is none."""
    losses: tuple[float, ...]
    """Log loss on the gold budget (`loss_of`), out of fold, of each round from the first to this one; empty where there is
    none."""


def last_accepted(losses: Sequence[float], rounds: int) -> int:
    """The last round that the gold budget accepts, 1 … rounds: each must be better than the one before.

    Args:
        losses: out of fold, of each round from the first on; empty: there is no budget, and all rounds are accepted.
        rounds: how many there are.

    Raises:
        ValueError: there are losses, and not one for each round.
    """
    if not losses:
        return rounds
    if len(losses) != rounds:
        raise ValueError(f"There are {rounds} rounds and {len(losses)} losses.")
    accepted = 1
    while accepted < rounds and losses[accepted] < losses[accepted - 1]:
        accepted += 1
    return accepted


def train_round(
    known: CombinedSources,
    drawn: NDArray[np.int64],
    shown: NDArray[np.int64],
    seed: int,
    teach: Teach,
    before: Round | None,
) -> Round:
    """Has a combination label the pool and teaches a student, and once more without each fold of the gold budget.

    Args:
        known: of the job.
        drawn: rows of the seed's gold budget, int64[m].
        shown: those of them whose label a labeler was shown; they are not counted in the losses.
        seed: also deals the families of the budget to folds.
        teach: fits a student.
        before: the round before; None: that is the job without self-training.
    """
    drawn = np.sort(drawn)
    fold = folds_of(known.examples.families[drawn], seed)
    counted = ~np.isin(drawn, shown)
    labels = known.gold[drawn]

    def labeler(part: NDArray[np.int64], student: Head | None) -> Combination:
        combination = combination_of(known, part, shown, seed)
        return _with_student(combination, known, student) if student else combination

    whole = labeler(drawn, before.student if before else None)
    student = teach(whole.probabilities(known.pool))
    if not _can_judge(labels[counted], known.examples.families[drawn[counted]]):
        return Round(student, {}, ())

    without: dict[int, Head] = {}
    ours, first = (np.zeros((len(drawn), whole.weights.prior.shape[0])) for _ in range(2))
    for number in map(int, np.unique(fold[counted])):
        combination = labeler(drawn[fold != number], before.without[number] if before else None)
        head = without[number] = teach(combination.probabilities(known.pool))
        held_out = counted & (fold == number)
        ours[held_out] = np.exp(log_softmax(known.of_head(head)(drawn[held_out]).log_odds))
        if not before:
            first[held_out] = combination.probabilities(drawn[held_out])
    losses = before.losses if before else (loss_of(first[counted], labels[counted]),)
    return Round(student, without, (*losses, loss_of(ours[counted], labels[counted])))


def loss_of(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Mean log loss at the temperature that is best for it, so that being too sure, or not sure enough, does not count.

    Args:
        probabilities: float64[n, K].
        labels: int64[n], class indices; n > 0.
    """
    tempered = at_temperature(probabilities, fit_temperature(probabilities, labels))
    return float(-np.log(np.maximum(tempered[np.arange(len(labels)), labels], 1e-12)).mean())


def _with_student(combination: Combination, known: CombinedSources, student: Head) -> Combination:
    """The combination with another student on weak labels, of the same weight."""
    answers = known.of_head(student)
    weights = combination.weights
    means = {**weights.mean_answer, STRONG: mean_answer(answers(known.pool))}
    return replace(
        combination,
        sources={**combination.sources, STRONG: answers},
        weights=replace(weights, mean_answer=means),
        heads={},
    )


def _can_judge(labels: NDArray[np.int64], families: NDArray[np.int64]) -> bool:
    return len(np.unique(labels)) > 1 and len(np.unique(families)) > 1
