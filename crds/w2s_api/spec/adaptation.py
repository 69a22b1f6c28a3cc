"""What is done to the strong model before anything learns from labels."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from w2s_api.methods.adaptation_steps import ADAPTATION_STEPS, AdaptationSettings
from w2s_api.spec.base import Struct
from w2s_api.spec.unions import MethodUnion, of_methods


class _AdaptationStep(MethodUnion):
    """One step of the adaptation: it makes a model of the model before it."""

    @property
    def settings(self) -> AdaptationSettings:
        """The settings of the method that `type` names."""
        settings: AdaptationSettings = super().settings
        return settings


if TYPE_CHECKING:
    AdaptationStep = _AdaptationStep
else:
    AdaptationStep = of_methods(_AdaptationStep, ADAPTATION_STEPS)


MOST_STEPS = 4


class Adaptation(Struct):
    """What is done to the strong model before anything learns from labels."""

    steps: Annotated[list[AdaptationStep], Field(max_length=MOST_STEPS)] = Field(
        default_factory=list,
        description="Steps, applied in order: selection and students work with what the last one makes. Default: none. What"
        " they add is told by the arm `unadapted`.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
