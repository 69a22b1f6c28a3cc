"""Who labels the pool: the weak labelers."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from w2s_api.methods.aggregations import AGGREGATIONS
from w2s_api.methods.labelers import LABELERS, LabelerSettings
from w2s_api.spec.base import Name, Rule, Struct
from w2s_api.spec.unions import MethodUnion, of_methods


def _is_not_calibrated(name: str, labeler: type[LabelerSettings]) -> Rule:
    return Rule(
        cel=f"self.type != '{name}' || !has(self.calibration) || self.calibration == 'None'",
        message=f"a labeler of type {name} is not calibrated: {labeler.not_calibrated_because}. Write"
        " `calibration: None`, or leave it out",
        holds=lambda given: given.type != name or given.calibration == "None",
        field="calibration",
    )


class _Labeler(MethodUnion):
    """Something that labels texts, not always rightly."""

    rules = tuple(
        _is_not_calibrated(name, labeler)
        for name, labeler in LABELERS.items()
        if labeler.not_calibrated_because
    )

    name: Name = Field(description="What the labeler is called in pod names, log lines and the report.")
    type: str
    calibration: Literal["None", "Temperature"] = Field(
        default="None",
        description="None: scores are taken as they are. Temperature: one temperature is fitted on the gold"
        " budget of each seed, so that a probability of .8 is right about 80 % of the time; not for Finetuned,"
        " which was tuned on it.",
    )
    batch_tokens: Annotated[int, Field(ge=64, le=4_194_304)] = Field(
        default=8192, description="Tokens in a batch. Lower it when memory runs out; labels do not change."
    )
    shards: Annotated[int, Field(ge=1, le=256)] = Field(
        default=1, description="Into how many parts the labelling is cut. Labels do not depend on it."
    )

    @property
    def sees_gold(self) -> bool:
        """Whether it reads expert labels of the budget, so that it says something else for each seed."""
        return self.calibration != "None" or self.settings.sees_gold()

    def result_settings(self) -> dict[str, Any]:
        """What its labels depend on: not its name, nor how they are cut into parts and batches."""
        settings = super().result_settings()
        return {name: settings[name] for name in settings if name not in ("name", "shards", "batchTokens")}


class _Aggregation(MethodUnion):
    """How the labels of several labelers become one distribution per text."""


if TYPE_CHECKING:
    Labeler = _Labeler
    Aggregation = _Aggregation
else:
    Labeler = of_methods(_Labeler, LABELERS)
    Aggregation = of_methods(_Aggregation, AGGREGATIONS, default="WeightedAverage", may_be_left_out=True)


class Weak(Struct):
    """The weak labelers, whose labels the strong model learns from."""

    labelers: Annotated[list[Labeler], Field(min_length=1, max_length=20)] = Field(
        description="One or several; `aggregation` says how several become one.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
