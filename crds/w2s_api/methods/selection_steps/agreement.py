"""The texts that several labelers wrote alike."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from w2s_api.methods.selection_steps.step import Sight, StepSettings, above_nothing
from w2s_api.spec.base import Fraction


class Agreement(StepSettings):
    """Keeps the texts on which enough of the labelers that answer agree with the aggregated text."""

    words: ClassVar[str] = "keep the written texts on which the labelers agree"
    only_for: ClassVar[frozenset[str]] = frozenset({"Generation"})
    looks_at: ClassVar[frozenset[Sight]] = frozenset({"opinions"})
    least_labelers: ClassVar[int] = 2
    rules = (
        above_nothing("atLeast", "every text has that share"),
        above_nothing("leastSimilarity", "any two texts would agree"),
    )

    at_least: Fraction = Field(
        description="The share of the labelers that answer on a text which must agree with the aggregated one."
    )
    least_answers: Annotated[int, Field(ge=1, le=20)] = Field(
        default=1,
        description="A text on which fewer labelers answer is dropped. With 1, a labeler that answers alone agrees with"
        " itself and is kept.",
    )
    by: Literal["Equal", "TokenF1", "Chrf"] = Field(
        default="Equal",
        description="When two texts agree. Equal: in the form of comparison, case and white space aside. TokenF1, Chrf: where"
        " that metric of the labeler's text by the aggregated one is at least `leastSimilarity`.",
    )
    least_similarity: Fraction = Field(
        default="0.8", description="From which value of the metric on two texts agree, where `by` names one."
    )
