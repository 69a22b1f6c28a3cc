"""Several answers to one question, and how one becomes of them."""

from typing import Any, Literal

from w2s_api.spec.base import Rule

SampleAgreement = Literal["ExactMatch", "TokenF1", "Chrf"]


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
