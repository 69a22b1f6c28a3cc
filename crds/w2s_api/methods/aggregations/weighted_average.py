"""The weighted average of distributions."""

from typing import ClassVar

from w2s_api.methods.aggregations.weighted import WeightedLabelers


class WeightedAverage(WeightedLabelers):
    """The weighted average of the labelers' distributions, of texts the one with the most weight; a labeler that abstains on a
    text is left out there."""

    words: ClassVar[str] = "the weighted average of the distributions"
