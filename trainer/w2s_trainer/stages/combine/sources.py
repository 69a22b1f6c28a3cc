"""What the sources of a combination say of a job's texts: read from the artifacts that a `combine` stage is given."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.contract.context import StageContext
from w2s_trainer.families import family_of
from w2s_trainer.models.causal import is_causal
from w2s_trainer.models.head import Head
from w2s_trainer.stages.combine.log_odds import Source, from_logits, from_probabilities
from w2s_trainer.stages.features import Features, features_of
from w2s_trainer.stages.label.opinion import drawn_budget
from w2s_trainer.stages.label.shots import shown_of
from w2s_trainer.stages.pool_sample import student_sample
from w2s_trainer.stages.tables import (
    Examples,
    WeakLabels,
    of_seed,
    read_gold,
    read_labels,
    read_predictions,
)
from w2s_trainer.stages.train.heads import Heads, arrays_of, read_heads
from w2s_trainer.stages.train.zero_shot import description_features

BATCH = 65_536
"""Texts whose features are centred at once."""

Answers = Callable[[NDArray[np.int64]], Source]
"""What a source says of some rows, int64[n]."""


class Student(Protocol):
    """The student on weak labels, of one seed."""

    @property
    def head(self) -> Head | None:
        """Where it is a head on the frozen model: then it can be merged with the others."""

    def answers(self, rows: NDArray[np.int64]) -> Source:
        """What it says of some rows, int64[n], of those that it was asked about."""


class CombinedSources:
    """What a `combine` stage knows of a job. Only what is asked for is read."""

    def __init__(self, context: StageContext, examples: Examples) -> None:
        self._context = context
        self.examples = examples
        self._family = family_of(context.spec)

    @cached_property
    def read(self) -> Features:
        """What the frozen strong model makes of the texts."""
        strong = self._context.spec.strong
        return features_of(self._context, strong.max_tokens, strong.batch_tokens)

    @property
    def features(self) -> NDArray[np.float32]:
        """Of the frozen strong model, float32[N, d]."""
        return self.read.matrix

    @cached_property
    def descriptions(self) -> NDArray[np.float32] | None:
        """Features of the class descriptions, float32[K, d]; None of a causal model, whose head reads no similarity."""
        if is_causal(self._context.model.directory):
            return None
        return description_features(self._context)

    @cached_property
    def gold(self) -> NDArray[np.int64]:
        """Labels of the gold budget, int64[N]."""
        context = self._context
        return read_gold(context.artifact("gold"), "budget", self.examples, context.scratch)

    def shown(self, taught: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
        """Rows whose label any labeler was shown, of a seed's gold budget int64[m]."""
        drawn = drawn_budget(self._context, self.examples, self.gold, seed)
        labelers = self._context.spec.weak.labelers
        shown = [shown_of(labeler.settings, drawn, taught, self.gold, seed) for labeler in labelers]
        return np.unique(np.concatenate(shown))

    def weak(self, seed: int) -> WeakLabels:
        """The teacher's labels."""
        labels: WeakLabels = of_seed(self._labels, seed)
        return labels

    def teacher(self, seed: int) -> Answers:
        """The teacher, whose probabilities are clipped."""
        weak = self.weak(seed)
        return lambda rows: from_probabilities(weak.targets[rows], weak.abstain[rows])

    def of_head(self, head: Head) -> Answers:
        """A head on the frozen model."""
        return lambda rows: from_logits(np.concatenate(list(self._logits(head, rows))))

    def strong(self, seed: int) -> Student:
        """The student on weak labels."""
        if not self._context.spec.strong.tuning.settings.on_frozen_model:
            return _Tuned(self._predictions[seed], self.asked)
        head = Head(**arrays_of(self._heads, "strong", seed))
        return _OnFrozenModel(head, self.of_head(head))

    @cached_property
    def pool(self) -> NDArray[np.int64]:
        """The texts of the pool that every source is asked about, int64[n], ascending."""
        deep = not self._context.spec.strong.tuning.settings.on_frozen_model
        return student_sample(self.examples) if deep else self.examples.rows("pool")

    @cached_property
    def asked(self) -> NDArray[np.int64]:
        """The texts that every source is asked about, int64[n], ascending: the test, the budget and `pool`."""
        return np.union1d(self.examples.rows("budget", "test"), self.pool)

    def _logits(self, head: Head, rows: NDArray[np.int64]) -> Iterator[NDArray[np.float64]]:
        for start in range(0, max(len(rows), 1), BATCH):
            yield head.logits(self.features[rows[start : start + BATCH]])

    @cached_property
    def _labels(self) -> Mapping[int, WeakLabels]:
        context = self._context
        return read_labels(
            context.artifact("labels"), self.examples, context.scratch, self._family.label_column
        )

    @cached_property
    def _heads(self) -> Heads:
        return read_heads(self._context.artifact("students"), self._context.scratch)

    @cached_property
    def _predictions(self) -> Mapping[int, NDArray[np.float64]]:
        """Probabilities of `asked` by seed."""
        context = self._context
        by_seed: dict[int, NDArray[np.float64]] = {}
        for artifact in context.artifacts("students"):
            answered = read_predictions(
                artifact, self.asked, self.examples, context.scratch, self._family.label_column
            )
            for (arm, _), of_arm in answered.items():
                if arm == "strong":
                    by_seed.update(of_arm)
        return by_seed


@dataclass(frozen=True)
class _OnFrozenModel:
    head: Head
    answers: Answers


@dataclass(frozen=True)
class _Tuned:
    probabilities: NDArray[np.float64]
    """float64[n, K] of the rows that it was asked about."""
    asked: NDArray[np.int64]
    """int64[n], ascending."""
    head: None = None

    def answers(self, rows: NDArray[np.int64]) -> Source:
        places = np.searchsorted(self.asked, rows)
        return from_probabilities(self.probabilities[places], floor=float(np.finfo(np.float32).tiny))
