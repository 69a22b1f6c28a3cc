"""The training sets of the arms, from the artifacts that a `train` stage reads."""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.arms import Arm, LearnsFrom
from w2s_trainer.contract.context import StageContext
from w2s_trainer.errors import BadData
from w2s_trainer.families import family_of
from w2s_trainer.stages.label.opinion import teaching_budget
from w2s_trainer.stages.tables import (
    EVERY_SEED,
    Examples,
    WeakLabels,
    has_gold,
    of_seed,
    read_corrected,
    read_gold,
    read_labels,
    read_refined,
    read_selection,
)
from w2s_trainer.stages.train.arms import as_many, curve_sizes
from w2s_trainer.stages.train.soft import soft_targets
from w2s_trainer.tuning.training_set import TrainingSet


class TrainingSets:
    """What each arm is trained on. Only what an arm asks for is read: `gold-only` reads no weak label."""

    def __init__(self, context: StageContext, examples: Examples) -> None:
        self._context = context
        self._examples = examples
        self._hard = context.spec.strong.loss.settings.hard
        self._family = family_of(context.spec)

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
        """The selected weak labels, as the selection left them."""
        rows, weights = of_seed(self._selection, seed)
        weak: WeakLabels = of_seed(self._labels, seed)
        for changes in (self._refined, self._corrected):
            if seed in changes or EVERY_SEED in changes:
                changed, after = of_seed(changes, seed)
                targets = weak.targets.copy()
                targets[changed] = after  # of several changes of a row the last one counts
                weak = WeakLabels(targets, weak.abstain)
        return self._weak(rows, weak, weights, seed)

    def all_labels(self, seed: int) -> TrainingSet:
        """All weak labels of the pool."""
        weak: WeakLabels = of_seed(self._labels, seed)
        pool = self._examples.rows("pool")
        voted = pool[~weak.abstain[pool]]
        return self._weak(voted, weak, np.ones(len(voted)), seed)

    def gold_budget(self, seed: int) -> list[TrainingSet]:
        """The seed's gold budget, after its beginnings: the sizes of the gold-only curve, ascending."""
        gold = self._gold_budget
        drawn = teaching_budget(self._context, self._examples, gold, seed)
        parts = [drawn[:some] for some in curve_sizes(len(drawn))]
        return [self._gold(part, gold) for part in parts]

    def gold_pool(self, seed: int) -> TrainingSet:
        """Gold labels of the pool, as many as `strong` has texts if there are so many."""
        gold, ids = self._gold_pool, self._examples.ids
        pool = self._examples.rows("pool")
        known = pool[has_gold(gold[pool])]
        wanted = max(len(rows) for rows, _ in self._selection.values())
        part = known[as_many(ids.take(known), wanted, seed)]
        return self._gold(part, gold)

    def _weak(
        self, rows: NDArray[np.int64], weak: WeakLabels, weights: NDArray[np.float64], seed: int
    ) -> TrainingSet:
        targets = weak.targets[_some(rows)]
        confidence = self._family.weak_confidence(targets)
        if self._hard:
            targets = self._family.hard_targets(targets)
        soft = None
        if self._context.spec.strong.loss.settings.reads_opinions:
            soft = soft_targets(self._context, self._examples, rows, targets, seed)
        return TrainingSet(rows, targets, weights, self._examples.families[rows], soft, confidence)

    def _gold(self, rows: NDArray[np.int64], gold: NDArray[Any]) -> TrainingSet:
        targets = self._family.gold_targets(gold[rows])
        return TrainingSet(rows, targets, np.ones(len(rows)), self._examples.families[rows])

    @cached_property
    def _labels(self) -> dict[int, WeakLabels]:
        context = self._context
        return read_labels(
            context.artifact("labels"), self._examples, context.scratch, self._family.label_column
        )

    @cached_property
    def _selection(self) -> dict[int, tuple[NDArray[np.int64], NDArray[np.float64]]]:
        context = self._context
        return read_selection(context.artifact("selection"), self._examples, context.scratch)

    @cached_property
    def _refined(self) -> dict[int, tuple[NDArray[np.int64], NDArray[Any]]]:
        context = self._context
        return read_refined(context.artifact("selection"), self._examples, context.scratch)

    @cached_property
    def _corrected(self) -> dict[int, tuple[NDArray[np.int64], NDArray[Any]]]:
        context = self._context
        return read_corrected(context.artifact("selection"), self._examples, context.scratch)

    @cached_property
    def _gold_budget(self) -> NDArray[Any]:
        context = self._context
        return read_gold(context.artifact("gold"), "budget", self._examples, context.scratch)

    @cached_property
    def _gold_pool(self) -> NDArray[Any]:
        context = self._context
        return read_gold(context.artifact("gold"), "pool", self._examples, context.scratch)


def _some(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    if not len(rows):
        raise BadData(
            "NothingToTrainOn",
            "No unlabelled text has a weak label.",
            "Let the labelers vote on more texts, or add one that always answers.",
        )
    return rows
