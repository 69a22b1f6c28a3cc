"""The texts that the labelers are surest of."""

from typing import ClassVar

from pydantic import Field

from w2s_api.methods.selection_steps.step import StepSettings
from w2s_api.spec.base import Fraction, Rule


class Confidence(StepSettings):
    """Keeps the texts that the labelers are surest of, class by class.

    Per class, because keeping the surest of all texts moves the class shares, and a student copies that.
    """

    words: ClassVar[str] = "keep the texts that the labelers are surest of, class by class"
    rules = (
        Rule(
            cel="double(self.keepFractionPerClass) > 0.0",
            message="`keepFractionPerClass` must be above 0: nothing would be left to train on",
            holds=lambda c: float(c.keep_fraction_per_class) > 0,
            field="keepFractionPerClass",
        ),
    )

    keep_fraction_per_class: Fraction = Field(description='The share of each class that is kept, e.g. "0.7".')
