"""Which weakly labelled texts the strong model is trained on."""

from typing import Annotated, Literal

from pydantic import Field

from w2s_api.spec.base import Fraction, Rule, Struct, union


class Confidence(Struct):
    """Keeps the texts that the labelers are surest of, class by class.

    Per class, because keeping the surest of all texts moves the class shares, and a student copies that.
    """

    rules = (
        Rule(
            cel="double(self.keepFractionPerClass) > 0.0",
            message="`keepFractionPerClass` must be above 0: nothing would be left to train on",
            holds=lambda c: float(c.keep_fraction_per_class) > 0,
            field="keepFractionPerClass",
        ),
    )

    keep_fraction_per_class: Fraction = Field(description='The share of each class that is kept, e.g. "0.7".')


class SelectionStep(Struct):
    """One step of the selection; steps are applied in order."""

    rules = union(Confidence="confidence")

    type: Literal["Confidence"] = Field(
        description="Confidence: keep the texts that the labelers are surest of, class by class."
    )
    confidence: Confidence | None = Field(default=None, description="Settings of type Confidence.")


class Selection(Struct):
    """Which weakly labelled texts the strong model is trained on."""

    steps: Annotated[list[SelectionStep], Field(max_length=8)] = Field(
        default_factory=list,
        description="Steps, applied in order. Default: none; every text that has a weak label is kept. In"
        " published comparisons filters hurt on average, so measure one against `unfiltered`.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
