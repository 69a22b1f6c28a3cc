"""What aggregations have in common in which labelers have weights."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from w2s_api.methods.aggregations.aggregation import AggregationSettings
from w2s_api.spec.base import Name, NonNegative, Struct


class LabelerWeight(Struct):
    """How much a labeler counts."""

    labeler: Name = Field(description="The name of the labeler.")
    weight: NonNegative = Field(description="Its weight, relative to the others.")


class WeightedLabelers(AggregationSettings):
    """Settings of an aggregation in which labelers have weights."""

    by_text: ClassVar[bool] = True
    names_labelers: ClassVar[Mapping[str, str]] = {
        "weights[].labeler": "a weight names a labeler that `weak.labelers` does not have"
    }

    weights: Annotated[list[LabelerWeight], Field(max_length=20)] = Field(
        default_factory=list,
        description='Weights of labelers. Default: "1" for each that is not named.',
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["labeler"]},
    )

    def weight_of(self, labeler: str) -> float:
        """How much a labeler counts, by its name."""
        return next((float(given.weight) for given in self.weights if given.labeler == labeler), 1.0)

    def result_settings(self) -> dict[str, Any]:
        """A weight of 1 is as if it were not named, and their order does not matter."""
        weights = {given.labeler: given.weight for given in self.weights if given.weight != "1"}
        return {**super().result_settings(), "weights": weights}
