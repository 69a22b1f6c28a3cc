"""All weights."""

from typing import ClassVar

from pydantic import Field

from w2s_api.methods.tunings.tuning import TuningSettings, positive
from w2s_api.spec.base import NonNegative


class Full(TuningSettings):
    """All weights of the model."""

    words: ClassVar[str] = "everything; starts from the head of the frozen model"
    short: ClassVar[str] = "all weights"
    subject: ClassVar[str] = "Tuning all weights"
    rules = (positive("learningRate", "nothing would be learned"),)

    learning_rate: NonNegative = Field(
        default="0.00003",
        description='Learning rate at its highest. For a model of billions of weights begin with "0.00001".',
    )

    def in_words(self) -> str:
        """There is nothing that stays."""
        return "all weights"
