"""The aggregations: how the labels of several labelers become one distribution per text."""

from w2s_api.methods.aggregations.aggregation import AggregationSettings
from w2s_api.methods.aggregations.weighted_average import WeightedAverage
from w2s_api.methods.method import table

__all__ = ["AGGREGATIONS", "AggregationSettings", "WeightedAverage"]

AGGREGATIONS: dict[str, type[AggregationSettings]] = table(WeightedAverage)
