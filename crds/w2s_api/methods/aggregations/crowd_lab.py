"""Votes joined with what a classifier says that read the texts."""

from typing import Annotated, ClassVar

from pydantic import Field

from w2s_api.methods.aggregations.aggregation import AggregationSettings
from w2s_api.methods.method import Method
from w2s_api.methods.tunings import Head


class CrowdLab(AggregationSettings):
    """Votes are averaged with the probabilities of heads on the frozen strong model that learnt other texts' votes, each
    weighed by how it agrees with the others (CROWDLAB, Goh et al. 2022)."""

    words: ClassVar[str] = (
        "votes and what a head on the frozen strong model says that did not see them, each weighed by how it agrees with"
        " the others"
    )
    least_labelers: ClassVar[int] = 2
    reads_features: ClassVar[bool] = True

    folds: Annotated[int, Field(ge=2, le=10)] = Field(
        default=5, description="Into how many parts the families are dealt; a head is fitted without each."
    )

    def uses(self) -> tuple[type[Method], ...]:
        """Heads of the student's strength."""
        return (Head,)
