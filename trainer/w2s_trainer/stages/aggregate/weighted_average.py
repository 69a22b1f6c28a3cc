"""Aggregation `WeightedAverage`: the weighted average of what labelers say; who abstains is left out. Pure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.aggregations import WeightedAverage
from w2s_trainer.families import TaskFamily
from w2s_trainer.stages.aggregate.methods import Aggregated, Sources
from w2s_trainer.stages.tables import WeakLabels


def aggregate(settings: WeightedAverage, sources: Sources) -> Aggregated:
    """Averages by the manifest's weights; a labeler without a weight counts once."""
    labels = sources.labels
    by_labeler = [settings.weight_of(name) for name in labels]
    return Aggregated(weighted_average(sources.family, list(labels.values()), by_labeler))


def weighted_average(
    family: TaskFamily, labels: Sequence[WeakLabels], weights: Sequence[float]
) -> WeakLabels:
    """Joins the labels into one a text.

    Args:
        family: says what the average of weak labels is.
        labels: of each labeler.
        weights: of each labeler, not negative.

    Returns:
        Labels that abstain where every labeler with a weight does.
    """
    shares: NDArray[np.float64] = np.stack(
        [np.where(weak.abstain, 0.0, weight) for weak, weight in zip(labels, weights, strict=True)]
    )
    return WeakLabels(family.averaged([weak.targets for weak in labels], shares), shares.sum(axis=0) == 0)
