"""Confusion matrices of the labelers, by expectation-maximisation."""

from typing import ClassVar, Literal

from pydantic import Field

from w2s_api.methods.aggregations.aggregation import AggregationSettings


class DawidSkene(AggregationSettings):
    """Each labeler has a confusion matrix, which is estimated from all votes together (Dawid and Skene 1979)."""

    words: ClassVar[str] = (
        "votes are weighed by confusion matrices of the labelers, which are estimated from how they agree"
    )
    least_labelers: ClassVar[int] = 3

    abstentions: Literal["Missing", "Answers"] = Field(
        default="Missing",
        description="Missing: an abstention says nothing, as of an annotator who was not asked. Answers: it is one"
        " more answer, with a rate of its own in each class; for rules that vote for one class only, whose vote says"
        " something just because they could have been silent.",
    )
