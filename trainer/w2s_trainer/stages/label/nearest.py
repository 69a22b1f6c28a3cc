"""Retrieved shots: of the gold budget, the texts that are most like the one that is asked about (KATE, Liu et al. 2022,
"What makes good in-context examples for GPT-3?")."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.errors import BadSpec
from w2s_trainer.models.head import centred

_CHUNK = 16_384
"""Texts that are compared at once."""


@dataclass(frozen=True)
class Neighbours:
    """Where the m texts of a gold budget are, in the order in which they were drawn."""

    places: NDArray[np.float64]
    """float64[m, d], rows of unit length."""
    mean: NDArray[np.float64]
    """float64[d], of the features of the pool: what all texts have in common tells none from another."""

    @classmethod
    def of(cls, features: NDArray[np.floating], mean: NDArray[np.floating]) -> "Neighbours":
        """Those of features float[m, d] as a model gives them."""
        return cls(centred(features, mean), np.asarray(mean, dtype=np.float64))

    def nearest(
        self,
        features: NDArray[np.floating],
        n: int,
        families: NDArray[np.int64] | None = None,
        own: NDArray[np.int64] | None = None,
    ) -> NDArray[np.int64]:
        """The texts of the budget with the largest cosine to some texts, the most similar last: beside the question.

        Args:
            features: float[q, d] of the texts, as the model gives them.
            n: how many.
            families: int64[q], of the texts; None: none of the budget's.
            own: int64[m], families of the budget. A text of the same family is never among the nearest: its label
                would be told, by itself or by a near duplicate.

        Returns:
            int64[q, n], places in the budget. Of equally near ones those that were drawn first.
        """
        found = np.empty((len(features), n), dtype=np.int64)
        for start in range(0, len(features), _CHUNK):
            part = slice(start, start + _CHUNK)
            near = centred(features[part], self.mean) @ self.places.T
            if families is not None and own is not None:
                near[families[part, None] == own[None, :]] = -np.inf
            found[part] = np.argsort(-near, axis=1, kind="stable")[:, :n][:, ::-1]
        return found


def require_neighbours(families: NDArray[np.int64], n: int, seed: int) -> None:
    """Raises BadSpec where a budget, families int64[m], has a text with fewer than n texts of other families."""
    largest = int(np.unique(families, return_counts=True)[1].max(initial=0))
    if len(families) - largest < n:
        raise BadSpec(
            "TooFewForShots",
            f"`shots` is {n}, but the gold budget of seed {seed} has {len(families)} texts, up to {largest} of one"
            " family, and the nearest shots of a text are of other families.",
            "Lower `shots`, or raise `data.goldBudget`.",
        )
