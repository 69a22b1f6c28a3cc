"""The aggregations: one module of this package for each of `w2s_api.methods.aggregations`, called as that of its settings.

A module has the function `aggregate`.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from w2s_api.methods.method import Method
from w2s_trainer.methods import implementation
from w2s_trainer.stages.tables import WeakLabels


class Aggregate(Protocol):
    """How the labels of several labelers become one distribution per text."""

    def __call__(self, settings: Any, labels: Mapping[str, WeakLabels]) -> WeakLabels:
        """Aggregates.

        Args:
            settings: of the method.
            labels: of each labeler by its name, in the manifest's order, of all N texts for one seed.

        Returns:
            Labels of all N texts. They abstain where nobody says anything.
        """


def aggregation_of(settings: Method) -> Aggregate:
    """The implementation of an aggregation."""
    return implementation(__package__, type(settings)).aggregate  # type: ignore[no-any-return]
