"""What is done to the student after it was trained."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from w2s_api.methods.finish_steps import FINISH_STEPS, FinishSettings
from w2s_api.spec.base import Struct
from w2s_api.spec.unions import MethodUnion, of_methods


class _FinishStep(MethodUnion):
    """One step of the finish: it makes a student of the student before it."""

    @property
    def settings(self) -> FinishSettings:
        """The settings of the method that `type` names."""
        settings: FinishSettings = super().settings
        return settings


if TYPE_CHECKING:
    FinishStep = _FinishStep
else:
    FinishStep = of_methods(_FinishStep, FINISH_STEPS, may_be_left_out=True)


MOST_FINISH_STEPS = 4


class Finish(Struct):
    """What is done to the student after it was trained."""

    steps: Annotated[list[FinishStep], Field(max_length=MOST_FINISH_STEPS)] = Field(
        default_factory=list,
        description="Steps, applied in order to the student of every seed: what the last one makes is combined, measured and"
        " published. Default: none. What they add is told by the arm `unfinished`.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
