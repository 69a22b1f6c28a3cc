"""A penalty on the distance to the weights before."""

from typing import ClassVar

from pydantic import Field

from w2s_api.methods.retainers.retainer import RetainerSettings
from w2s_api.methods.tunings.tuning import positive
from w2s_api.spec.base import NonNegative


class StartingPoint(RetainerSettings):
    """The loss is L + `weight` / 2 · ‖θ − θ_before‖² over the weights that are tuned.

    L2-SP (Xuhong et al. 2018, arXiv 1802.01483), of pretrained weights alone: nothing here starts anew.
    """

    words: ClassVar[str] = "the weights stay close to those before (L2 penalty on the difference)"
    of_own_weights: ClassVar[bool] = True
    rules = (positive("weight", "nothing would be retained"),)

    weight: NonNegative = Field(
        default="0.01",
        description="What the squared distance counts. Unlike `weightDecay` it pulls to the weights before, and not to 0.",
    )

    def in_words(self) -> str:
        """With its weight."""
        return f"held to its weights before by an L2 penalty (L2-SP, weight {self.weight})"
