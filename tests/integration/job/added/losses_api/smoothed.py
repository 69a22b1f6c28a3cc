"""Settings of a loss with smoothed labels."""

from typing import ClassVar

from pydantic import Field

from w2s_api.methods.losses.loss import LossSettings
from w2s_api.spec.base import Fraction


class Smoothed(LossSettings):
    """Cross-entropy to weak labels that are mixed with the uniform distribution."""

    words: ClassVar[str] = "weak labels are mixed with the uniform distribution"

    share: Fraction = Field(default="0.1", description="Of the uniform distribution.")

    def in_words(self) -> str:
        """With the share."""
        return (
            f"Smoothed: cross-entropy to weak labels mixed with the uniform distribution (share {self.share})"
        )
