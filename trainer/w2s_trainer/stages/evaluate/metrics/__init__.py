"""Metrics: one module for each that `w2s_api.metrics` declares, called after it. Pure.

A module has one function, `replicates`. Each metric is computed with a weight per family or item, so that a bootstrap
replicate is a vector of weights and nothing is drawn twice.
"""

import importlib
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.families.gold_test import GoldTest


class Replicates(Protocol):
    """A metric of one arm and seed, on the whole test and on bootstrap samples of it."""

    def __call__(
        self,
        test: GoldTest,
        answers: NDArray[Any],
        families: NDArray[np.int64],
        weights: NDArray[np.float64],
    ) -> tuple[float, NDArray[np.float64]]:
        """Computes the metric.

        Args:
            test: n items.
            answers: [n, …], of the kind of task. Of classes: probabilities float64[n, K].
            families: int64[n], numbered 0 … F-1.
            weights: float64[B, F], how often each family was drawn.

        Returns:
            The metric on the test, and float64[B'] on its samples; a costly metric may take fewer than B.
        """


def replicates_of(metric: str) -> Replicates:
    """The implementation of a declared metric."""
    module = importlib.import_module(f"{__name__}.{metric.lower()}")
    implementation: Replicates = module.replicates
    return implementation
