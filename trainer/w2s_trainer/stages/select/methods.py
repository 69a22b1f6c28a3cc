"""The steps of the selection: one module of this package for each of `w2s_api.methods.selection_steps`, called as that of its
settings.

A module has the function `select`, and `check(settings, path)` where there is something to be refused beforehand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.selection_steps import StepSettings
from w2s_trainer.contract.context import StageContext
from w2s_trainer.families import family_of
from w2s_trainer.methods import implementation
from w2s_trainer.stages.columns import Strings
from w2s_trainer.stages.features import features_of
from w2s_trainer.stages.label.opinion import drawn_budget, teaching_budget
from w2s_trainer.stages.tables import Examples, WeakLabels, of_seed, read_gold, read_labels, read_predictions


class Sights:
    """What steps may look at beside the weak labels, of all N examples; read once, when a step asks for it."""

    def __init__(self, context: StageContext, examples: Examples) -> None:
        self._context = context
        self._examples = examples

    @cached_property
    def features(self) -> NDArray[np.float32]:
        """Of the frozen strong model, float32[N, d]. For steps that look at `features`."""
        strong = self._context.spec.strong
        return features_of(self._context, strong.max_tokens, strong.batch_tokens).matrix

    @cached_property
    def opinions(self) -> dict[str, dict[int, WeakLabels]]:
        """What each labeler says, by its name and by seed. For steps that look at `opinions`."""
        context = self._context
        names = [labeler.name for labeler in context.spec.weak.labelers]
        column = family_of(context.spec).label_column
        return {
            name: read_labels(artifact, self._examples, context.scratch, column)
            for name, artifact in zip(names, context.artifacts("opinions"), strict=True)
        }

    @cached_property
    def gold(self) -> NDArray[Any]:
        """Labels of the gold budget [N], as the family stores them. For steps that see gold."""
        context = self._context
        return read_gold(context.artifact("gold"), "budget", self._examples, context.scratch)


@dataclass(frozen=True)
class Candidates:
    """The texts that a step may keep, n of them, and what it may look at. Only what it asks for is read."""

    context: StageContext
    examples: Examples
    sights: Sights
    """Shared by all steps and seeds."""
    labels: WeakLabels
    """Of all N examples, for this seed."""
    seed: int
    rows: NDArray[np.int64]
    """int64[n], ascending: indices of examples."""
    weights: NDArray[np.float64]
    """float64[n]: how much each counts, as the steps before left it."""

    @property
    def targets(self) -> NDArray[Any]:
        """The weak labels [n, …]."""
        return np.asarray(self.labels.targets[self.rows])

    @property
    def ids(self) -> Strings:
        """Their n ids."""
        return self.examples.ids.take(self.rows)

    @cached_property
    def features(self) -> NDArray[np.float32]:
        """Of the frozen strong model, float32[n, d]. For steps that look at `features`."""
        return self.sights.features[self.rows]

    @cached_property
    def opinions(self) -> dict[str, WeakLabels]:
        """What each labeler says of all N examples, by its name. For steps that look at `opinions`."""
        return {name: of_seed(by_seed, self.seed) for name, by_seed in self.sights.opinions.items()}

    @cached_property
    def students(self) -> list[NDArray[Any]]:
        """What each student of the round before says of the texts [n, …]. For steps that look at `students`."""
        context = self.context
        column = family_of(context.spec).label_column
        return [
            of_seed(by_seed, self.seed)
            for artifact in context.artifacts("students")
            for by_seed in read_predictions(
                artifact, self.rows, self.examples, context.scratch, column
            ).values()
        ]

    @property
    def gold(self) -> NDArray[Any]:
        """Labels of the gold budget [N], as the family stores them. For steps that see gold."""
        return self.sights.gold

    @cached_property
    def budget(self) -> NDArray[np.int64]:
        """Rows of the seed's gold budget, int64[m], in the order in which they were drawn. For steps that see gold."""
        return drawn_budget(self.context, self.examples, self.gold, self.seed)

    @cached_property
    def taught(self) -> NDArray[np.int64]:
        """The same, then what `w2s ask` chose, which is no sample: what may be learnt, and nothing estimated."""
        return teaching_budget(self.context, self.examples, self.gold, self.seed)


@dataclass(frozen=True)
class Edited:
    """One edit of one weak label that is a text."""

    position: int
    """Among the candidates."""
    edit: int
    """The place in the settings of what was done, from 0."""
    operation: str
    """What was done, as the manifest calls it."""
    before: str
    after: str

    @property
    def target(self) -> str:
        """The label from now on."""
        return self.after


@dataclass(frozen=True)
class Corrected:
    """One change of one weak label that is a class."""

    position: int
    """Among the candidates."""
    before: str
    after: str
    """Classes."""
    target: NDArray[np.float64]
    """float64[K], the label from now on."""
    agreement: float
    """The share of the heads asked that find the new class likeliest."""
    probability: float
    """The mean of their probabilities of it."""
    nearest_gold: float
    """Its share among the nearest gold texts."""


@dataclass(frozen=True)
class Kept:
    """What a step keeps of n candidates."""

    positions: NDArray[np.int64]
    """int64[m], ascending, among the candidates."""
    weights: NDArray[np.float64]
    """float64[m], above 0: how much each counts from now on."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """What the audit says beside counts, as JSON: thresholds, what was found."""
    notes: tuple[str, ...] = ()
    """What the person who reads the report must know: sentences."""
    edits: Sequence[Edited] = ()
    """What it changed of the candidates' weak labels that are texts, in order: a label is from now on what it was last made."""
    corrections: Sequence[Corrected] = ()
    """What it changed of those that are classes, each at most once."""


class Select(Protocol):
    """A step of the selection."""

    def __call__(self, settings: Any, candidates: Candidates) -> Kept:
        """Says which candidates stay, and how much each counts."""


def step_of(settings: StepSettings) -> Select:
    """The implementation of a step."""
    return implementation(__package__, type(settings)).select  # type: ignore[no-any-return]


def check(settings: StepSettings, path: str) -> None:
    """Raises BadSpec if a step could not work, such as a pattern that does not compile.

    Args:
        settings: of a step.
        path: of them in the manifest, for errors.
    """
    module = implementation(__package__, type(settings))
    if hasattr(module, "check"):
        module.check(settings, path)
