"""What every step of the selection says of itself."""

from typing import ClassVar, Literal

from w2s_api.methods.method import Method

Sight = Literal["features", "opinions", "students"]
"""What a step may look at beside the texts and their weak labels.

features: of the frozen strong model. opinions: what the single labelers say. students: what the students of the round before
say of the pool.
"""


class StepSettings(Method):
    """Settings of a step of the selection."""

    looks_at: ClassVar[frozenset[Sight]] = frozenset()
    """What it needs beside the texts and their weak labels: only that is computed and read for it."""
    sees_gold: ClassVar[bool] = False
    """It reads expert labels of the budget, so that it keeps something else for each seed."""
