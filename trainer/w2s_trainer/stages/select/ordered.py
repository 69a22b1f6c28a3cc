"""Candidates in an order that only their ids decide, so that neither sums nor ties depend on the order of rows."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.families import family_of
from w2s_trainer.stages.select.methods import Candidates, Kept


@dataclass(frozen=True)
class Ordered:
    """Candidates of a classification, n of them, by a hash of their ids."""

    candidates: Candidates
    places: NDArray[np.int64]
    """int64[n], positions among the candidates."""

    @classmethod
    def of(cls, candidates: Candidates) -> "Ordered":
        """The candidates in that order."""
        return cls(candidates, order_of(candidates.ids))

    @cached_property
    def targets(self) -> NDArray[np.float64]:
        """The weak labels float64[n, K]."""
        return np.asarray(self.candidates.targets[self.places])

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """The likeliest class of each, int64[n]; ties: the first."""
        return np.asarray(self.targets.argmax(axis=1))

    @property
    def names(self) -> list[str]:
        """The K classes."""
        return list(family_of(self.candidates.context.spec).weak_counts(self.targets[:0]))

    @property
    def weights(self) -> NDArray[np.float64]:
        """float64[n], as the steps before left them."""
        return self.candidates.weights[self.places]

    @cached_property
    def families(self) -> NDArray[np.int64]:
        """int64[n], numbered as they come."""
        return as_they_come(self.candidates.examples.families[self.candidates.rows[self.places]])

    def features(self) -> NDArray[np.float32]:
        """float32[n, d] as the model gives them: a copy, each time."""
        return self.candidates.sights.features[self.candidates.rows[self.places]]

    def kept(
        self,
        chosen: NDArray[np.bool_],
        weights: NDArray[np.float64],
        figures: dict[str, Any],
        notes: tuple[str, ...] = (),
    ) -> Kept:
        """What a step keeps.

        Args:
            chosen: bool[n], in this order.
            weights: float64[n], in this order; of those that are not chosen they mean nothing.
            figures: for the audit.
            notes: sentences for the report.
        """
        by_position = np.empty(len(weights))
        by_position[self.places] = weights
        positions = np.sort(self.places[chosen])
        return Kept(positions, by_position[positions], figures, notes)


def to_unit_length(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Centres rows float32[n, d] and brings them to unit length, in their place: no second copy is made."""
    features -= features.mean(axis=0, dtype=np.float64).astype(np.float32)
    features /= np.maximum(np.sqrt(np.einsum("ij,ij->i", features, features)), 1e-12)[:, None]
    return features


def order_of(ids: Sequence[str]) -> NDArray[np.int64]:
    """Positions int64[n] of n ids by the sha256 of each."""
    lots = [hashlib.sha256(name.encode()).digest() for name in ids]
    return np.array(sorted(range(len(lots)), key=lots.__getitem__), dtype=np.int64)


def as_they_come(families: NDArray[np.int64]) -> NDArray[np.int64]:
    """Families int64[n] numbered by their first row, so that nothing hangs on how they were numbered before."""
    _, first, inverse = np.unique(families, return_index=True, return_inverse=True)
    number = np.empty(len(first), dtype=np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    return np.asarray(number[inverse])
