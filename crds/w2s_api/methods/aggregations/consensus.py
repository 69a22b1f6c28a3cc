"""The text that is nearest to what all labelers wrote."""

from typing import ClassVar, Literal

from pydantic import Field

from w2s_api.methods.aggregations.weighted import WeightedLabelers


class Consensus(WeightedLabelers):
    """Of the texts that the labelers wrote, the one that is nearest to all of them on average (minimum Bayes risk, Eikema and
    Aziz 2020); a labeler that abstains on a text is left out there."""

    words: ClassVar[str] = "of written texts the one that is nearest to all on average"
    only_for: ClassVar[frozenset[str]] = frozenset({"Generation"})

    utility: Literal["Chrf", "TokenF1"] = Field(
        default="Chrf",
        description="How near a text is to another. Chrf: by runs of characters. TokenF1: by words, in any order.",
    )
