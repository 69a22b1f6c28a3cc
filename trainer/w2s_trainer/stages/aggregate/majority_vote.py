"""Aggregation `MajorityVote`: each labeler has one vote. Pure."""

import numpy as np

from w2s_api.methods.aggregations import MajorityVote
from w2s_trainer.stages.aggregate.methods import Aggregated, Sources
from w2s_trainer.stages.tables import WeakLabels


def aggregate(_settings: MajorityVote, sources: Sources) -> Aggregated:
    """What most labelers say; no vote, or a tie for the most, abstains."""
    labels = list(sources.labels.values())
    targets, abstain = sources.family.elected(
        [weak.targets for weak in labels], np.stack([weak.abstain for weak in labels])
    )
    return Aggregated(WeakLabels(targets, abstain))
