"""Aggregation `MajorityVote`: each labeler has one vote. Pure."""

from w2s_api.methods.aggregations import MajorityVote
from w2s_trainer.stages.aggregate.ballots import votes_of
from w2s_trainer.stages.aggregate.methods import Aggregated, Sources
from w2s_trainer.stages.label.votes import Ballot
from w2s_trainer.stages.tables import WeakLabels


def aggregate(_settings: MajorityVote, sources: Sources) -> Aggregated:
    """The shares of the votes, smoothed as those of rules are; no vote, or a tie for the most, abstains."""
    labels = list(sources.labels.values())
    ballot = Ballot(votes_of(labels), labels[0].targets.shape[1])
    return Aggregated(WeakLabels(ballot.probabilities, ballot.abstain))
