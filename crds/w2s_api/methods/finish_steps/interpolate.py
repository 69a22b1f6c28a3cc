"""Interpolation between the student and the model that it was tuned from."""

from typing import Annotated, ClassVar

from pydantic import Field

from w2s_api.methods.finish_steps.step import FinishSettings
from w2s_api.spec.base import Fraction, OneOrder


class Interpolate(FinishSettings):
    """The student's weights are interpolated with those of the model that it was tuned from (Wortsman et al. 2022, WiSE-FT).

    θ = (1 − α) θ_base + α θ_tuned. Of LoRA, whose change of a weight is B A, it is B that is multiplied by α. A head that
    the model did not have before stays as it was trained.
    """

    words: ClassVar[str] = "interpolate its weights with those of the model that it was tuned from"

    shares: Annotated[list[Fraction], Field(min_length=1, max_length=8), OneOrder] = Field(
        default_factory=lambda: ["0.5"],
        description="α, how much of the tuning is left: 0 is the model as it came, 1 the student as it was trained. Of"
        " several, the one is taken whose answers are best by `promotion.metric` on the gold budget of the seed; of equal"
        " ones the largest.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )

    @property
    def reads_budget(self) -> bool:
        """One share is taken as it is; of several one is chosen."""
        return len(self.shares) > 1

    def in_words(self) -> str:
        """With what, and how much."""
        shares = ", ".join(f"{float(share):g}" for share in self.shares)
        how = f"α chosen among {shares} by the gold budget" if self.reads_budget else f"α = {shares}"
        return f"its weights were interpolated with those of the model that it was tuned from ({how})"
