"""Aggregation `Consensus`: of the labelers' texts the one of least Bayes risk (Eikema & Aziz 2020). Pure."""

import numpy as np

from w2s_api.methods.aggregations import Consensus
from w2s_trainer.families.generation.consensus import UTILITIES, consensus
from w2s_trainer.families.generation.joined import joined
from w2s_trainer.stages.aggregate.methods import Aggregated, Sources
from w2s_trainer.stages.tables import WeakLabels


def aggregate(settings: Consensus, sources: Sources) -> Aggregated:
    """Takes for each text what is nearest to all; ties go to the labeler that the manifest names first."""
    labels = sources.labels
    written = np.stack([np.where(weak.abstain, "", weak.targets) for weak in labels.values()], axis=1)
    weights = np.array([settings.weight_of(name) for name in labels])
    found = joined(written, weights, consensus(UTILITIES[settings.utility]))
    return Aggregated(WeakLabels(found.texts, found.abstain))
