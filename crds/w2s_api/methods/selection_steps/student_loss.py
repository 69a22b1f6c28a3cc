"""The texts that students get wrong however they are trained, told from those that are hard."""

from typing import Annotated, ClassVar

from pydantic import Field

from w2s_api.methods.method import Method
from w2s_api.methods.selection_steps.step import MAY_NOT_BE_GONE, Sight, StepSettings, above_nothing
from w2s_api.methods.tunings import Head
from w2s_api.spec.base import Fraction


class StudentLoss(StepSettings):
    """Drops the texts on which students always contradict the weak label; keeps those on which they are of two minds.

    In each round two heads on the frozen strong model are each fitted on half of the families and asked about the other half.
    A margin that is below 0 by more than its standard deviation over the rounds is a wrong label; one that is near 0 is a hard
    text (after dataset cartography, Swayamdipta et al. 2020).
    """

    words: ClassVar[str] = (
        "drop the texts that students contradict in every round, and not those that are merely hard"
    )
    looks_at: ClassVar[frozenset[Sight]] = frozenset({"features", "opinions"})
    rules = (
        MAY_NOT_BE_GONE,
        above_nothing("hardWeight", "a text that counts nothing is dropped, and only wrong labels are"),
    )

    rounds: Annotated[int, Field(ge=3, le=20)] = Field(
        default=5, description="How often the families are halved anew; two heads are fitted in each."
    )
    most_dropped_per_class: Fraction = Field(
        default="0.5", description="At most this share of each class is dropped, the surest errors first."
    )
    hard_weight: Fraction = Field(
        default="1", description="How much a hard text counts beside an easy one. Default: the same."
    )

    def uses(self) -> tuple[type[Method], ...]:
        """Heads of the student's strength."""
        return (Head,)
