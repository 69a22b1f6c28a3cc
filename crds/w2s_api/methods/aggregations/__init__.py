"""The aggregations: how the labels of several labelers become one distribution per text."""

from w2s_api.methods.aggregations.weighted_average import WeightedAverage
from w2s_api.methods.method import Method, table

__all__ = ["AGGREGATIONS", "WeightedAverage"]

AGGREGATIONS: dict[str, type[Method]] = table(WeightedAverage)
