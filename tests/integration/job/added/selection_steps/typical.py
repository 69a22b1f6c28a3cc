"""Settings of a step that looks at features and at single labelers."""

from typing import ClassVar

from pydantic import Field

from w2s_api.methods.selection_steps.step import Sight, StepSettings
from w2s_api.spec.base import Fraction


class Typical(StepSettings):
    """Keeps the texts that are most like the others, and counts those twice on which all labelers agree."""

    words: ClassVar[str] = "keep the texts that are most like the others"
    looks_at: ClassVar[frozenset[Sight]] = frozenset({"features", "opinions"})

    keep_fraction: Fraction = Field(description="The share that is kept.")
