"""Self-distillation: what the model says of tokens stays close to what it said before."""

from typing import ClassVar

from pydantic import Field

from w2s_api.methods.retainers.retainer import RetainerSettings
from w2s_api.methods.tunings.tuning import positive
from w2s_api.spec.base import NonNegative


class Distillation(RetainerSettings):
    """The loss is L + `weight` · KL(p_before ‖ p), the mean over the tokens that are asked for, of domain and replay.

    Learning without forgetting (Li & Hoiem 2016, arXiv 1606.09282), with the model before as its own teacher and without a
    temperature.
    """

    words: ClassVar[str] = (
        "what the model says of the tokens stays close to what it said before (KL divergence)"
    )
    rules = (positive("weight", "nothing would be retained"),)

    weight: NonNegative = Field(
        default="1", description="What the divergence counts beside the loss of a token."
    )

    def in_words(self) -> str:
        """With its weight."""
        return f"held to what it said before by KL divergence (weight {self.weight})"
