"""The confidence loss of Burns et al. 2023."""

from typing import ClassVar

from pydantic import Field

from w2s_api.methods.losses.loss import LossSettings
from w2s_api.spec.base import Fraction


class LogConf(LossSettings):
    """Cross-entropy to a mixture of the weak labels and the student's own decisions (Burns et al. 2023)."""

    words: ClassVar[str] = (
        "the student's own confident decisions count too, so that it repeats fewer of the teacher's errors"
    )

    looks_across: ClassVar[bool] = True

    max_weight: Fraction = Field(
        default="0.5", description="Weight of the student's own decisions once it is warm."
    )
    warmup_fraction: Fraction = Field(
        default="0.2", description="Share of the steps in which that weight rises from 0, linearly."
    )

    def in_words(self) -> str:
        """With the weight, and when it is reached."""
        return (
            "LogConf: cross-entropy to the weak labels mixed with the student's own decisions (weight up to"
            f" {self.max_weight}, reached after {float(self.warmup_fraction):.0%} of the steps)"
        )
