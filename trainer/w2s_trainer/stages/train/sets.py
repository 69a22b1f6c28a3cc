"""The training sets of the arms, from the artifacts that a `train` stage reads."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from w2s_api.arms import Arm, LearnsFrom
from w2s_trainer.contract.context import StageContext
from w2s_trainer.errors import BadData
from w2s_trainer.stages.budget import draw
from w2s_trainer.stages.tables import (
    NO_GOLD,
    Examples,
    WeakLabels,
    of_seed,
    read_gold,
    read_labels,
    read_selection,
)
from w2s_trainer.stages.train.arms import TrainingSet, as_many, curve_sizes, gold_set, weak_set


class TrainingSets:
    """What each arm is trained on. Only what an arm asks for is read: `gold-only` reads no weak label."""

    def __init__(self, context: StageContext, examples: Examples) -> None:
        self._context = context
        self._examples = examples
        loss = context.spec.strong.loss.cross_entropy
        self._hard = bool(loss and loss.targets == "Hard")
        self._classes = len(context.spec.task.classes)

    @cached_property
    def seeds(self) -> list[int]:
        """The seeds that the weak labels were drawn for; EVERY_SEED alone where no draw changes them."""
        return sorted(self._selection)

    def of(self, arm: Arm, seed: int) -> list[TrainingSet]:
        """What an arm learns from; several sets where its curve is wanted, ascending by size."""
        match arm.learns_from:
            case LearnsFrom.SELECTED_LABELS:
                return [self.selected_labels(seed)]
            case LearnsFrom.ALL_LABELS:
                return [self.all_labels(seed)]
            case LearnsFrom.GOLD_BUDGET:
                return self.gold_budget(seed)
            case LearnsFrom.GOLD_POOL:
                return [self.gold_pool(seed)]
        raise ValueError(f"arm {arm.name} is not trained")

    def selected_labels(self, seed: int) -> TrainingSet:
        """The selected weak labels."""
        rows, weights = of_seed(self._selection, seed)
        weak: WeakLabels = of_seed(self._labels, seed)
        return weak_set(_some(rows), weak.probabilities[rows], weights, self._hard)

    def all_labels(self, seed: int) -> TrainingSet:
        """All weak labels of the pool."""
        weak: WeakLabels = of_seed(self._labels, seed)
        pool = self._examples.rows("pool")
        voted = pool[~weak.abstain[pool]]
        return weak_set(_some(voted), weak.probabilities[voted], np.ones(len(voted)), self._hard)

    def gold_budget(self, seed: int) -> list[TrainingSet]:
        """The seed's gold budget, after its beginnings: the sizes of the gold-only curve, ascending."""
        budget, ids = self._examples.rows("budget"), self._examples.ids
        gold = self._gold_budget
        size = self._context.spec.data.gold_budget
        drawn = budget[draw(ids.take(budget), gold[budget], size, seed)]
        parts = [drawn[:some] for some in curve_sizes(len(drawn))]
        return [gold_set(part, gold[part], self._classes) for part in parts]

    def gold_pool(self, seed: int) -> TrainingSet:
        """Gold labels of the pool, as many as `strong` has texts if there are so many."""
        gold, ids = self._gold_pool, self._examples.ids
        pool = self._examples.rows("pool")
        known = pool[gold[pool] != NO_GOLD]
        wanted = max(len(rows) for rows, _ in self._selection.values())
        part = known[as_many(ids.take(known), wanted, seed)]
        return gold_set(part, gold[part], self._classes)

    @cached_property
    def _labels(self) -> dict[int, WeakLabels]:
        context = self._context
        return read_labels(context.artifact("labels"), self._examples, context.scratch)

    @cached_property
    def _selection(self) -> dict[int, tuple[NDArray[np.int64], NDArray[np.float64]]]:
        context = self._context
        return read_selection(context.artifact("selection"), self._examples, context.scratch)

    @cached_property
    def _gold_budget(self) -> NDArray[np.int64]:
        context = self._context
        return read_gold(context.artifact("examples"), "budget", self._examples, context.scratch)

    @cached_property
    def _gold_pool(self) -> NDArray[np.int64]:
        context = self._context
        return read_gold(context.artifact("examples"), "pool", self._examples, context.scratch)


def _some(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    if not len(rows):
        raise BadData(
            "NothingToTrainOn",
            "No unlabelled text has a weak label.",
            "Let the labelers vote on more texts, or add one that always answers.",
        )
    return rows
