"""The texts that are whole, and as long as they should be."""

from typing import ClassVar, Literal

from pydantic import Field

from w2s_api.methods.selection_steps.step import StepSettings
from w2s_api.spec.base import Fraction, NonNegative, Rule


class Shape(StepSettings):
    """Drops texts that repeat themselves, and those that are too short or too long beside their source.

    With its defaults only what is clearly broken goes: a text that ends in a loop, or most of which was there before.
    """

    words: ClassVar[str] = "drop written texts that repeat themselves, are too short or too long"
    only_for: ClassVar[frozenset[str]] = frozenset({"Generation"})
    rules = (
        Rule(
            cel="!has(self.longestRatio) || double(self.longestRatio) >"
            " (has(self.shortestRatio) ? double(self.shortestRatio) : 0.0)",
            message="`longestRatio` must be above `shortestRatio`, and above 0: no text would be left",
            holds=lambda s: s.longest_ratio is None or float(s.longest_ratio) > float(s.shortest_ratio),
            field="longestRatio",
        ),
    )

    most_repeated: Fraction = Field(
        default="0.5",
        description="The largest share of a text's runs of four words that may have been there before in the same text.",
    )
    lengths_in: Literal["Words", "Characters"] = Field(
        default="Words",
        description="What lengths are counted in. In scripts without spaces each letter is a word.",
    )
    shortest_ratio: NonNegative = Field(
        default="0", description="The least length of a text for each one of its source's."
    )
    longest_ratio: NonNegative | None = Field(
        default=None,
        description="The largest length of a text for each one of its source's. Default: any; what is written from a title is"
        " longer than it.",
    )
