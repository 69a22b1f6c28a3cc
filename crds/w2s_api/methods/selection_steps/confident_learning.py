"""The texts whose weak label a head that did not see them confidently contradicts."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from w2s_api.methods.method import Method
from w2s_api.methods.selection_steps.step import MAY_NOT_BE_GONE, Sight, StepSettings
from w2s_api.methods.tunings import Head
from w2s_api.spec.base import Fraction


class ConfidentLearning(StepSettings):
    """Drops the texts whose weak label is confidently contradicted (confident learning, Northcutt et al. 2021).

    By heads on the frozen strong model that were fitted without the text's family.
    """

    words: ClassVar[str] = (
        "drop the texts whose weak label a head that did not see them confidently contradicts"
    )
    looks_at: ClassVar[frozenset[Sight]] = frozenset({"features", "opinions"})
    rules = (MAY_NOT_BE_GONE,)

    prune: Literal["Contradicted", "NoiseRate"] = Field(
        default="Contradicted",
        description="Contradicted: texts that are confidently of another class (off the diagonal of the confident joint)."
        " NoiseRate: of each pair of classes as many as the joint estimates, those of the largest margin.",
    )
    folds: Annotated[int, Field(ge=2, le=10)] = Field(
        default=5, description="Into how many parts the families are dealt; a head is fitted without each."
    )
    most_dropped_per_class: Fraction = Field(
        default="0.5",
        description="At most this share of each class is dropped, the least likely labels first.",
    )
    weigh: bool = Field(
        default=False,
        description="The texts that are kept count as much more as their class is estimated to have lost: by 1 / P(weak"
        " label is k given that the class is k), at most tenfold.",
    )

    def uses(self) -> tuple[type[Method], ...]:
        """Heads of the student's strength."""
        return (Head,)
