"""The label model of data programming."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from w2s_api.methods.aggregations.aggregation import AggregationSettings
from w2s_api.spec.base import NonNegative, Struct, text


class ClassFrequency(Struct):
    """How frequent a class is."""

    class_name: Annotated[str, text(63, 1)] = Field(description="The class of `task.classes`.")
    share: NonNegative = Field(description="How frequent it is, relative to the others.")


class LabelModel(AggregationSettings):
    """How often labelers vote for each class of each, from how often they vote together (Ratner et al. 2019)."""

    words: ClassVar[str] = (
        "votes are weighed by rates that fit how often the labelers vote together, for rules that mostly abstain"
    )
    least_labelers: ClassVar[int] = 3
    names_classes: ClassVar[Mapping[str, str]] = {
        "classShares[].className": "a share is of a class that `task.classes` does not have"
    }

    class_shares: Annotated[list[ClassFrequency], Field(max_length=100)] = Field(
        default_factory=list,
        description='How frequent the classes are, relative to one another. Default: "1" for each that is not named.',
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["className"]},
    )

    def result_settings(self) -> dict[str, Any]:
        """A share of 1 is as if it were not named, and their order does not matter."""
        return {
            "classShares": {
                given.class_name: given.share for given in self.class_shares if given.share != "1"
            }
        }
