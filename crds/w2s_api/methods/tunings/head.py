"""A linear head on the frozen model."""

from typing import ClassVar

from pydantic import Field

from w2s_api.methods.tunings.tuning import TuningSettings, positive
from w2s_api.spec.base import NonNegative


class Head(TuningSettings):
    """A linear classification head on the frozen model; its features are computed once and kept."""

    words: ClassVar[str] = "a linear head; the model itself stays frozen"
    version: ClassVar[int] = 3
    short: ClassVar[str] = "head"
    subject: ClassVar[str] = "A head on the frozen model"
    on_frozen_model: ClassVar[bool] = True
    rules = (positive("l2", "without regularisation the head copies the teacher's errors"),)

    l2: NonNegative = Field(
        default="0.3",
        description="Strength of the L2 penalty on the weights. More of it imitates the teacher less.",
    )

    def in_words(self) -> str:
        """It is all that there is."""
        return "a linear head on the frozen model"
