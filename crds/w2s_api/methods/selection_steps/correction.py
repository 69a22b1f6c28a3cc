"""Weak labels that are changed where the evidence is against them."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from w2s_api.methods.method import Method
from w2s_api.methods.selection_steps.step import Sight, StepSettings, above_nothing, below_all
from w2s_api.methods.tunings import Head
from w2s_api.spec.base import Fraction


class Correction(StepSettings):
    """Changes weak labels where the nearest gold texts are of another class, or heads that did not see a text agree on one.

    Heads on the frozen strong model are each fitted on a fold of its own. Every text is kept, every change is recorded,
    and `unfiltered` learns the labels as they were. The report has the net flips: how many labels of the gold budget the
    same rule sets right, less those that it sets wrong.
    """

    words: ClassVar[str] = (
        "change the weak labels that the nearest gold texts, heads of disjoint folds or both are against, each change recorded"
    )
    looks_at: ClassVar[frozenset[Sight]] = frozenset({"features", "opinions"})
    judges_by_budget: ClassVar[bool] = True
    rules = (
        below_all("mostChangedPerClass", "a class could be gone"),
        above_nothing("mixture", "no label would change"),
    )

    evidence: Literal["Students", "NearestGold", "Both", "Either"] = Field(
        default="NearestGold",
        description="What a label is changed by. Students: heads that did not see the text's family confidently find"
        " another class likeliest. NearestGold: more than half of the nearest texts of the seed's gold budget, of other"
        " families, by their closeness, are of another class. Both: the two name the same class. Either: one of them names"
        " a class, and the other the same or none.",
    )
    folds: Annotated[int, Field(ge=3, le=10)] = Field(
        default=5,
        description="Into how many parts the families are dealt; a head is fitted on each alone and asked about the others.",
    )
    least_agreement: Fraction = Field(
        default="1",
        description="The share of the heads asked about a text that must find the new class likeliest.",
    )
    neighbours: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=5, description="How many gold texts are looked up."
    )
    mixture: Fraction = Field(
        default="1",
        description="How much of a changed label is the new class; the rest is the label as it was. 1: the new class alone.",
    )
    most_changed_per_class: Fraction = Field(
        default="0.5",
        description="At most this share of the labels of each class is changed, the surest errors first.",
    )

    proven_on_budget: bool = Field(
        default=False,
        description="No label is changed unless the net flips on the gold budget are above 0. Default: they are reported.",
    )

    def sees_gold(self) -> bool:
        """It looks the budget up, and is held against it."""
        return True

    def uses(self) -> tuple[type[Method], ...]:
        """Heads of the student's strength."""
        return (Head,)
