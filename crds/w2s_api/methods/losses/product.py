"""The weak labels, multiplied by the student's probabilities."""

from typing import ClassVar

from pydantic import Field

from w2s_api.methods.losses.loss import LossSettings
from w2s_api.spec.base import NonNegative


class Product(LossSettings):
    """Cross-entropy to weak label^alpha · student^beta, normalised."""

    card_words: ClassVar[str] = "Product, whose targets are the labels times what the student itself says"
    words: ClassVar[str] = "the weak labels are multiplied by the student's probabilities"

    alpha: NonNegative = Field(default="1", description="Power of the weak label.")
    beta: NonNegative = Field(default="1", description="Power of the student's own probability.")
