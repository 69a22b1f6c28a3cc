"""The expert-labelled examples that a model is shown in its prompt: drawn from the gold budget of each seed."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.labelers import LabelerSettings
from w2s_api.spec.weak import Labeler
from w2s_trainer.contract.context import StageContext
from w2s_trainer.errors import BadSpec
from w2s_trainer.stages.label.calibration import nothing_left
from w2s_trainer.stages.label.opinion import path_of
from w2s_trainer.stages.label.prompt import shots_of


def draw_shots(budget: NDArray[np.int64], labels: NDArray[np.int64], n: int, seed: int) -> NDArray[np.int64]:
    """The rows that are a seed's shots, kinds of labels in turn.

    Args:
        budget: rows of the seed's gold budget in the order in which they were drawn.
        labels: the kind of the gold label (`TaskFamily.strata_of`), int64[N], of all rows.
        n: how many.
        seed: for the message.

    Raises:
        BadSpec: the budget is smaller.
    """
    if len(budget) < n:
        raise BadSpec(
            "TooFewForShots",
            f"`shots` is {n}, but the gold budget of seed {seed} has {len(budget)} texts.",
            "Lower `shots`, or raise `data.goldBudget`.",
        )
    return np.asarray(budget[shots_of(labels[budget], n)])


def shown_of(
    settings: LabelerSettings,
    drawn: NDArray[np.int64],
    taught: NDArray[np.int64],
    labels: NDArray[np.int64],
    seed: int,
) -> NDArray[np.int64]:
    """The texts whose gold label a labeler was shown: what it says of them proves nothing.

    Args:
        settings: of the labeler.
        drawn: rows of a seed's gold budget in drawing order, int64[n]: shots are of these.
        taught: all that models learn from, int64[m].
        labels: the kind of the gold label (`TaskFamily.strata_of`), int64[N], of all rows.
        seed: the budget's.

    Returns:
        Some of the rows.
    """
    if settings.learns_budget:
        return taught
    count = settings.shown_labels()
    return draw_shots(drawn, labels, count, seed) if count else drawn[:0]


def shots_by_seed(
    context: StageContext,
    labeler: Labeler,
    n: int,
    budgets: Mapping[int, NDArray[np.int64]],
    labels: NDArray[np.int64],
) -> dict[int, NDArray[np.int64]]:
    """Rows of each seed's shots; empty where none are wanted.

    Args:
        context: of the stage, for errors.
        labeler: which is shown them.
        n: how many each seed has.
        budgets: rows of each seed's gold budget in drawing order.
        labels: the kind of the gold label (`TaskFamily.strata_of`), int64[N], of all rows.

    Raises:
        BadSpec: a budget is smaller, or has no label left to calibrate on.
    """
    if not n:
        return {}
    shots = {seed: draw_shots(budget, labels, n, seed) for seed, budget in budgets.items()}
    if labeler.calibration != "None" and any(len(shots[seed]) == len(budgets[seed]) for seed in shots):
        raise nothing_left(path_of(context, labeler), "the shots are the whole gold budget")
    return shots
