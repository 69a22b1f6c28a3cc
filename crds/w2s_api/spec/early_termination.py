"""When a training is given up by its first steps."""

from pydantic import Field

from w2s_api.spec.base import Fraction, Rule, Struct


class EarlyTermination(Struct):
    """A student on weak labels that has learned nothing by its first steps ends the stage."""

    rules = (
        Rule(
            cel="double(self.afterFraction) > 0.0 && double(self.afterFraction) < 1.0",
            message="`afterFraction` must lie between 0 and 1: at the beginning nothing is known, at the end nothing is saved",
            holds=lambda rule: 0 < float(rule.after_fraction) < 1,
            field="afterFraction",
        ),
    )

    after_fraction: Fraction = Field(
        description="Share of the steps after which the loss is looked at, once: if the mean over the latest steps is not below"
        ' that over as many at the beginning, the stage ends, and says so. Give it more than `warmupFraction`, e.g. "0.3".',
    )
