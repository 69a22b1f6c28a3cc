"""The texts whose weak label is probably right, judged by what was right on the gold budget."""

from typing import Annotated, ClassVar

from pydantic import Field

from w2s_api.methods.selection_steps.step import Sight, StepSettings, cuts_or_weighs
from w2s_api.spec.base import Fraction


class Trust(StepSettings):
    """Keeps the texts whose weak label is probably right, class by class.

    A small model on the features of the frozen strong model learns from the gold budget of each seed where weak labels are
    right. Where the budget cannot teach it that, every text is kept, and the report says so.
    """

    words: ClassVar[str] = (
        "keep the texts whose weak label is probably right, as learnt from the gold budget, class by class"
    )
    looks_at: ClassVar[frozenset[Sight]] = frozenset({"features", "opinions"})
    judges_by_budget: ClassVar[bool] = True
    rules = cuts_or_weighs()

    keep_fraction_per_class: Fraction = Field(description='The share of each class that is kept, e.g. "0.8".')
    folds: Annotated[int, Field(ge=2, le=10)] = Field(
        default=5,
        description="Into how many parts the families of the budget are dealt, to choose its strength and to see whether it"
        " learnt anything.",
    )
    weigh: bool = Field(
        default=False,
        description="The texts that are kept count in proportion to the probability that their weak label is right.",
    )

    def sees_gold(self) -> bool:
        """It learns from the budget."""
        return True
