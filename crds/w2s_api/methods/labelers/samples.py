"""Several answers to one question, and how one becomes of them."""

from typing import Annotated, Any, Literal

from pydantic import Field

from w2s_api.spec.base import Rule

SampleAgreement = Literal["ExactMatch", "TokenF1", "Chrf"]

TopK = Annotated[int, Field(ge=1, le=100)]
KEPT_TOKENS = (
    "Keep the probabilities of so many likeliest tokens at each place of what it writes, for the loss SoftTargets: the model"
    " reads its own texts once more. Default: none is kept."
)
"""What `topK` of a labeler that writes means."""


def needs_temperature() -> Rule:
    """Samples differ only where words are drawn."""
    return Rule(
        cel="!has(self.samples) || self.samples == 1 ||"
        " (has(self.temperature) && double(self.temperature) > 0.0)",
        message="several `samples` need a `temperature` above 0, or all of them are the same answer",
        holds=_differ,
        field="temperature",
    )


def _differ(asked: Any) -> bool:
    return asked.samples == 1 or float(asked.temperature) > 0
