"""The token probabilities of the labeler beside what it wrote."""

from typing import ClassVar, Literal

from pydantic import Field

from w2s_api.methods.losses.loss import LossSettings
from w2s_api.spec.base import Fraction, NonNegative, Rule


class SoftTargets(LossSettings):
    """Cross-entropy to the text, mixed with the divergence from the token probabilities of the labeler that wrote it.

    Word-level distillation (Hinton et al. 2015; Kim & Rush 2016) beside learning what was written. A text that no labeler
    with `topK` wrote just so, because it was edited or another one's was taken, is learnt as it is.
    """

    words: ClassVar[str] = "the labeler's token probabilities count beside the text that it wrote"
    only_for: ClassVar[frozenset[str]] = frozenset({"Generation"})
    reads_opinions: ClassVar[bool] = True

    rules = (
        Rule(
            cel="!has(self.softWeight) || double(self.softWeight) > 0.0",
            message="`softWeight` must be above 0: with 0 the loss is CrossEntropy",
            holds=lambda loss: float(loss.soft_weight) > 0,
            field="softWeight",
        ),
        Rule(
            cel="!has(self.temperature) || double(self.temperature) >= 0.1",
            message="`temperature` must be at least 0.1",
            holds=lambda loss: float(loss.temperature) >= 0.1,
            field="temperature",
        ),
    )

    soft_weight: Fraction = Field(
        default="0.5",
        description="How much the divergence counts; the cross-entropy to the text counts the rest of 1.",
    )
    temperature: NonNegative = Field(
        default="1",
        description="Both distributions are flattened by it, and the divergence is multiplied by its square (Hinton et al."
        " 2015), so that it counts the same at any.",
    )
    decay: Literal["Constant", "Linear"] = Field(
        default="Constant",
        description="Constant: `softWeight` at all steps. Linear: it goes down to 0 over the steps, so that a student which is"
        " to become better than its labeler leans on it at the beginning alone.",
    )

    def in_words(self) -> str:
        """With weight, temperature and decay."""
        decay = ", falling to 0 over the steps" if self.decay == "Linear" else ""
        return (
            "SoftTargets: cross-entropy to the texts, mixed with the divergence from the labeler's token probabilities"
            f" (weight {self.soft_weight}{decay}, temperature {self.temperature})"
        )
