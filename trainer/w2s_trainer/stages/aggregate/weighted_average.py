"""Aggregation `WeightedAverage`: the weighted average of distributions; who abstains is left out. Pure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.aggregations import WeightedAverage
from w2s_trainer.stages.aggregate.methods import Aggregated, Sources
from w2s_trainer.stages.tables import WeakLabels


def aggregate(settings: WeightedAverage, sources: Sources) -> Aggregated:
    """Averages by the manifest's weights; a labeler without a weight counts once."""
    weights = {weight.labeler: float(weight.weight) for weight in settings.weights}
    labels = sources.labels
    return Aggregated(weighted_average(list(labels.values()), [weights.get(name, 1.0) for name in labels]))


def weighted_average(labels: Sequence[WeakLabels], weights: Sequence[float]) -> WeakLabels:
    """Averages the labels into one distribution a text.

    Args:
        labels: of each labeler: distributions float64[N, K], or numbers float64[N], with bool[N] abstentions.
        weights: of each labeler, not negative.

    Returns:
        Labels that abstain where every labeler with a weight does.
    """
    shares: NDArray[np.float64] = np.stack(
        [np.where(weak.abstain, 0.0, weight) for weak, weight in zip(labels, weights, strict=True)]
    )
    total = shares.sum(axis=0)
    rest = (1,) * (labels[0].targets.ndim - 1)
    summed = sum(share.reshape(-1, *rest) * weak.targets for share, weak in zip(shares, labels, strict=True))
    return WeakLabels(np.asarray(summed / np.where(total > 0, total, 1.0).reshape(-1, *rest)), total == 0)
