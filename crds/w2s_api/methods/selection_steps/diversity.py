"""Texts that cover the others."""

from typing import ClassVar

from pydantic import Field

from w2s_api.methods.selection_steps.step import Sight, StepSettings, below_all
from w2s_api.spec.base import Fraction


class Diversity(StepSettings):
    """Keeps texts of which every other has one near it, class by class (k-centre greedy, Sener and Savarese 2018).

    For a pool that is larger than can be tuned on: it judges no label, and what is unlike all else is kept first.
    """

    words: ClassVar[str] = "keep texts that cover the others, class by class"
    looks_at: ClassVar[frozenset[Sight]] = frozenset({"features", "opinions"})
    rules = (below_all("keepFractionPerClass", "every text would be kept"),)

    keep_fraction_per_class: Fraction = Field(description='The share of each class that is kept, e.g. "0.3".')
    weigh: bool = Field(
        default=False,
        description="A text that is kept counts for all those of its class to which it is the nearest.",
    )
