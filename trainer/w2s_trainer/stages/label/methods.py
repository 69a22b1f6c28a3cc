"""The labelers: one module of this package for each of `w2s_api.methods.labelers`, called as that of its settings.

A module has the function `opinions`; it may have `check` and `tell`.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.labelers import LabelerSettings
from w2s_api.spec.weak import Labeler
from w2s_trainer.contract.context import StageContext
from w2s_trainer.methods import implementation
from w2s_trainer.stages.label.opinion import Opinion
from w2s_trainer.stages.tables import Examples


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
