"""The texts whose nearest neighbours have the same weak label."""

from typing import Annotated, ClassVar

from pydantic import Field

from w2s_api.methods.selection_steps.step import Sight, StepSettings, cuts_or_weighs
from w2s_api.spec.base import Fraction


class Neighbours(StepSettings):
    """Keeps the texts whose neighbours agree with their weak label, class by class (cut statistic, Lang et al. 2022).

    Neighbours are the nearest by the features of the frozen strong model, of other families than the text's own.
    """

    words: ClassVar[str] = "keep the texts whose nearest neighbours have the same weak label, class by class"
    looks_at: ClassVar[frozenset[Sight]] = frozenset({"features", "opinions"})
    rules = cuts_or_weighs()

    keep_fraction_per_class: Fraction = Field(description='The share of each class that is kept, e.g. "0.8".')
    neighbours: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=20, description="How many neighbours are asked."
    )
    weigh: bool = Field(
        default=False,
        description="The texts that are kept count in proportion to the share of neighbours that agree.",
    )
