"""The aggregations: one module of this package for each of `w2s_api.methods.aggregations`, called as that of its settings.

A module has the function `aggregate`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.method import Method
from w2s_trainer.contract.context import StageContext
from w2s_trainer.families import TaskFamily
from w2s_trainer.methods import implementation
from w2s_trainer.models.causal import CausalModel, load_causal
from w2s_trainer.stages.tables import WeakLabels


@dataclass(frozen=True)
class Texts:
    """What of all N texts an aggregation can read that `reads_features`."""

    features: Callable[[], NDArray[np.floating]]
    """Of the frozen strong model, float[N, d]; computed when it is called."""
    families: NDArray[np.int64]
    """int64[N]."""
    l2: float
    """Of the student's head."""
    progress: Callable[[str, int, int], None] = lambda _phase, _done, _all: None


@dataclass(frozen=True)
class Asked:
    """What an aggregation needs that asks a model about the texts (`asks_question`)."""

    context: StageContext
    texts: Sequence[str]
    """All N, with the fields beside them."""
    seed: int
    loaded: dict[str, CausalModel] = field(default_factory=dict)
    """Models by URI, which all seeds share."""

    def causal(self, uri: str) -> CausalModel:
        """A causal model by its URI."""
        if uri not in self.loaded:
            given = self.context.model_at(uri)
            self.loaded[uri] = load_causal(given.directory, given.name)
        return self.loaded[uri]


@dataclass(frozen=True)
class Sources:
    """The labelers of a job, on all N texts for one seed."""

    labels: Mapping[str, WeakLabels]
    """Of each labeler by its name, in the manifest's order."""
    pool: NDArray[np.int64]
    """int64[n], the rows of the pool: what is estimated is estimated on these alone."""
    family: TaskFamily
    """The kind of task, bound to it."""
    texts: Texts | None = None
    """Where the aggregation reads features."""
    asked: Asked | None = None
    """Where it asks a model."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the K classes, where the task has classes."""
        return self.family.task.class_names


@dataclass(frozen=True)
class Aggregated:
    """One distribution a text."""

    labels: WeakLabels
    """Of all N texts. They abstain where nobody says anything."""
    accuracies: Mapping[str, float] = field(default_factory=dict)
    """By labeler, how often it is right where it answers, as the method estimates it without a gold label; empty where
    it estimates nothing."""
    warnings: tuple[str, ...] = ()
    """What the method could not do as it should, in words."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """What the summary says beside, as JSON."""


class Aggregate(Protocol):
    """How the labels of several labelers become one distribution per text."""

    def __call__(self, settings: Any, sources: Sources) -> Aggregated:
        """Aggregates; `settings` are those of the method."""


def aggregation_of(settings: Method) -> Aggregate:
    """The implementation of an aggregation."""
    return implementation(__package__, type(settings)).aggregate  # type: ignore[no-any-return]
