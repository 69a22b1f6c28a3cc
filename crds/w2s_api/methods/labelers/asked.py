"""What labelers that are asked the task's question have in common."""

from typing import Annotated, ClassVar

from pydantic import Field

from w2s_api.methods.labelers.labeler import LabelerSettings

Shots = Annotated[int, Field(ge=0, le=64)]
Orders = Annotated[int, Field(ge=1, le=24)]
"""In how many orders the classes are listed."""


class AskedSettings(LabelerSettings):
    """Settings of a labeler that is asked `task.instruction` about every text, and may be shown examples."""

    is_asked: ClassVar[bool] = True

    shots: Shots = Field(
        default=0,
        description="Expert-labelled examples in the prompt, of the gold budget of each seed; drawn ones have the"
        " classes in turn.",
    )

    def shown_labels(self) -> int:
        """Its shots."""
        return self.shots

    def sees_gold(self) -> bool:
        """It does with shots."""
        return self.shots > 0
