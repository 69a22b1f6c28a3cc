"""The majority vote."""

from typing import ClassVar

from w2s_api.methods.aggregations.aggregation import AggregationSettings


class MajorityVote(AggregationSettings):
    """Each labeler that does not abstain has one vote, for its likeliest class or its text. A tie abstains."""

    words: ClassVar[str] = "one vote a labeler, whatever its probabilities"
    by_text: ClassVar[bool] = True
