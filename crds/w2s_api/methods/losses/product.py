"""The weak labels, multiplied by the student's probabilities."""

from typing import ClassVar

from pydantic import Field

from w2s_api.methods.losses.loss import LossSettings
from w2s_api.spec.base import NonNegative


class Product(LossSettings):
    """Cross-entropy to weak label^alpha · student^beta, normalised."""

    words: ClassVar[str] = "the weak labels are multiplied by the student's probabilities"

    alpha: NonNegative = Field(default="1", description="Power of the weak label.")
    beta: NonNegative = Field(default="1", description="Power of the student's own probability.")

    def in_words(self) -> str:
        """With both powers."""
        return (
            "Product: cross-entropy to weak labels times the student's own probabilities"
            f" (alpha {self.alpha}, beta {self.beta})"
        )
