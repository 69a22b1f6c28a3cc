"""The labelers: one module of this package for each of `w2s_api.methods.labelers`, called as that of its settings.

A module has the function `opinions`; it may have `check`, `tell` and `answer`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.labelers import LabelerSettings
from w2s_api.spec.weak import Labeler
from w2s_trainer.contract.context import StageContext
from w2s_trainer.families import TaskFamily
from w2s_trainer.methods import implementation
from w2s_trainer.stages.label.opinion import Opinion
from w2s_trainer.stages.tables import Examples, WeakLabels


class Opinions(Protocol):
    """What a labeler says."""

    def __call__(
        self, context: StageContext, labeler: Labeler, examples: Examples, rows: NDArray[np.int64]
    ) -> dict[int, Opinion]:
        """Opinions on some rows, int64[n], by seed; EVERY_SEED alone where no draw changes them."""


def opinions_of(labeler: Labeler) -> Opinions:
    """The implementation of a labeler."""
    return implementation(__package__, type(labeler.settings)).opinions  # type: ignore[no-any-return]


def check(settings: LabelerSettings, path: str) -> None:
    """What can be refused before anything runs.

    Args:
        settings: of a labeler.
        path: of them in the manifest, for errors.

    Raises:
        BadSpec: the labeler could not work.
    """
    module = implementation(__package__, type(settings))
    if hasattr(module, "check"):
        module.check(settings, path)


@dataclass(frozen=True)
class Published:
    """What a labeler that was published with a model is given to answer again."""

    family: TaskFamily
    """The kind of task, bound to it."""
    models: Callable[[str], Path]
    """The directory of a model by its URI."""
    directory: Path
    """What the labeler left to be published (`opinion.place_to_publish`); not there if it left nothing."""


def can_be_published(settings: LabelerSettings) -> bool:
    """Whether a labeler can answer anywhere, by its settings, the models that they name, and what it left."""
    return hasattr(implementation(__package__, type(settings)), "answer")


def answer(labeler: Labeler, texts: Sequence[str], published: Published) -> WeakLabels:
    """What a published labeler says of n texts, uncalibrated.

    Raises:
        BadSpec: a model that it names is not there, or not what it was.
    """
    labels: WeakLabels = implementation(__package__, type(labeler.settings)).answer(labeler, texts, published)
    return labels


def tell(context: StageContext, labeler: Labeler, summary: Mapping[str, Any]) -> int:
    """Notes what a labeler has to say of its work beside the figures that all have.

    Args:
        context: is told.
        labeler: any.
        summary: of all its shards.

    Returns:
        How many of the notes warn.
    """
    module = implementation(__package__, type(labeler.settings))
    return int(module.tell(context, labeler, summary)) if hasattr(module, "tell") else 0
