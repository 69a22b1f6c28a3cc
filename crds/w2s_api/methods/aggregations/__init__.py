"""The aggregations: how the labels of several labelers become one distribution per text."""

from w2s_api.methods.aggregations.aggregation import AggregationSettings
from w2s_api.methods.aggregations.consensus import Consensus
from w2s_api.methods.aggregations.crowd_lab import CrowdLab
from w2s_api.methods.aggregations.dawid_skene import DawidSkene
from w2s_api.methods.aggregations.judged import Judged
from w2s_api.methods.aggregations.label_model import LabelModel
from w2s_api.methods.aggregations.majority_vote import MajorityVote
from w2s_api.methods.aggregations.weighted_average import WeightedAverage
from w2s_api.methods.method import table

__all__ = [
    "AGGREGATIONS",
    "AggregationSettings",
    "Consensus",
    "CrowdLab",
    "DawidSkene",
    "Judged",
    "LabelModel",
    "MajorityVote",
    "WeightedAverage",
]

AGGREGATIONS: dict[str, type[AggregationSettings]] = table(
    WeightedAverage, MajorityVote, DawidSkene, LabelModel, CrowdLab, Consensus, Judged
)
