"""What every step of the selection says of itself."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from w2s_api.methods.method import Method
from w2s_api.spec.base import Rule, attribute_of
from w2s_api.spec.paths import Place

Sight = Literal["features", "opinions", "students"]
"""What a step may look at beside the texts and their weak labels.

features: of the frozen strong model. opinions: what the single labelers say. students: what the students of the round before
say of the pool.
"""


class StepSettings(Method):
    """Settings of a step of the selection. One that fits heads of the strength of the student's `uses` Head."""

    looks_at: ClassVar[frozenset[Sight]] = frozenset()
    """What it needs beside the texts and their weak labels: only that is computed and read for it."""
    moves_shares: ClassVar[bool] = False
    """It is there to change class shares: that they moved is no warning."""
    least_labelers: ClassVar[int] = 1
    """With fewer it would change nothing."""
    asks_question: ClassVar[bool] = False
    """It asks a model about the task, so that its result depends on how the task is put."""
    judges_by_budget: ClassVar[bool] = False
    """It compares weak labels with expert labels of the budget: no labeler may have learnt all of these."""

    def reads_strong(self) -> bool:
        """Whether it asks the strong model itself, as it came."""
        return False

    def sees_gold(self) -> bool:
        """Whether it reads expert labels of the budget, so that it keeps something else for each seed."""
        return False

    def mistakes(self) -> Iterator[tuple[Place, str]]:
        """What is wrong in the settings beyond what rules of the API can tell: the place in them, and a clause."""
        yield from ()


def above_nothing(field: str, of_nothing: str = "nothing would be left to train on") -> Rule:
    """A share that is above 0.

    Args:
        field: its name in manifests.
        of_nothing: what a share of 0 would mean, a clause.
    """
    return Rule(
        cel=f"!has(self.{field}) || double(self.{field}) > 0.0",
        message=f"`{field}` must be above 0: {of_nothing}",
        holds=lambda step: float(getattr(step, attribute_of(type(step), field))) > 0,
        field=field,
    )


def cuts_or_weighs() -> tuple[Rule, Rule]:
    """Rules of a step that keeps a share of each class: it leaves something, and it changes something."""
    return (
        above_nothing("keepFractionPerClass"),
        Rule(
            cel="double(self.keepFractionPerClass) < 1.0 || (has(self.weigh) && self.weigh)",
            message="`keepFractionPerClass` is 1 and nothing is weighed: the step would change nothing. Keep less, or"
            " write `weigh: true`",
            holds=lambda step: float(step.keep_fraction_per_class) < 1 or step.weigh,
            field="keepFractionPerClass",
        ),
    )


def below_all(field: str, of_one: str) -> Rule:
    """A share that is neither nothing nor everything.

    Args:
        field: its name in manifests.
        of_one: what a share of 1 would mean, a clause.
    """
    return Rule(
        cel=f"!has(self.{field}) || (double(self.{field}) > 0.0 && double(self.{field}) < 1.0)",
        message=f"`{field}` must be above 0 and below 1: of 1 {of_one}",
        holds=lambda step: 0 < float(getattr(step, attribute_of(type(step), field))) < 1,
        field=field,
    )


MAY_NOT_BE_GONE = below_all("mostDroppedPerClass", "a class could be gone")
"""The rule of steps that drop what they find wrong."""
