"""The texts that say what their source says."""

from typing import ClassVar

from pydantic import Field

from w2s_api.methods.selection_steps.step import StepSettings, above_nothing
from w2s_api.spec.base import Fraction


class Groundedness(StepSettings):
    """Keeps the texts whose numbers, names and quotations stand in their source.

    Words are looked for, not meaning: a name in another spelling is missing, and a grounded text can be wrong. A text without
    numbers, names and quotations is kept.
    """

    words: ClassVar[str] = "keep the written texts whose numbers, names and quotations stand in their source"
    only_for: ClassVar[frozenset[str]] = frozenset({"Generation"})
    rules = (above_nothing("atLeast", "every text has that share"),)

    at_least: Fraction = Field(
        description="The share of a text's numbers, names and quotations that must stand in its source; 1: all of them."
    )
