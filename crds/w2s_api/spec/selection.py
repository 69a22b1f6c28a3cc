"""Which weakly labelled texts the strong model is trained on."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from w2s_api.methods.selection_steps import SELECTION_STEPS, StepSettings
from w2s_api.spec.base import Struct
from w2s_api.spec.unions import MethodUnion, of_methods


class _SelectionStep(MethodUnion):
    """One step of the selection; steps are applied in order."""

    @property
    def settings(self) -> StepSettings:
        """The settings of the method that `type` names."""
        settings: StepSettings = super().settings
        return settings


if TYPE_CHECKING:
    SelectionStep = _SelectionStep
else:
    SelectionStep = of_methods(_SelectionStep, SELECTION_STEPS)


class Selection(Struct):
    """Which weakly labelled texts the strong model is trained on."""

    steps: Annotated[list[SelectionStep], Field(max_length=8)] = Field(
        default_factory=list,
        description="Steps, applied in order. Default: none; every text that has a weak label is kept. In"
        " published comparisons filters hurt on average, so measure one against `unfiltered`.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
