"""Cross-entropy to the weak labels."""

from typing import ClassVar, Literal

from pydantic import Field

from w2s_api.methods.losses.loss import LossSettings


class CrossEntropy(LossSettings):
    """Cross-entropy to the weak labels."""

    words: ClassVar[str] = "cross-entropy to the weak labels"
    looks_at_student: ClassVar[bool] = False

    targets: Literal["Soft", "Hard"] = Field(
        default="Soft",
        description="Soft: the labelers' probabilities. Hard: their likeliest class.",
    )

    def in_words(self) -> str:
        """With what is taken of a weak label."""
        taken = "their likeliest class" if self.hard else "their probabilities"
        return f"cross-entropy to the weak labels ({taken})"

    @property
    def hard(self) -> bool:
        """As the manifest says."""
        return self.targets == "Hard"
