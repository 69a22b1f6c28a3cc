"""Low-rank adapters."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from w2s_api.methods.tunings.tuning import TuningSettings, positive
from w2s_api.spec.base import NonNegative


class LoRA(TuningSettings):
    """Low-rank adapters beside the frozen weights (Hu et al. 2021), and the head."""

    words: ClassVar[str] = "low-rank adapters and the head; starts from the head of the frozen model"
    field: ClassVar[str] = "lora"
    short: ClassVar[str] = "LoRA"
    subject: ClassVar[str] = "Tuning by LoRA"
    keeps_weights: ClassVar[bool] = True
    leaves_adapter: ClassVar[bool] = True
    rules = (positive("learningRate", "nothing would be learned"),)

    rank: Annotated[int, Field(ge=1, le=1024)] = Field(default=16, description="Rank of the adapters.")
    alpha: Annotated[int, Field(ge=1, le=4096)] = Field(
        default=32, description="Scale of the adapters: their output counts alpha / rank times."
    )
    targets: Literal["AllLinear", "Attention"] = Field(
        default="AllLinear",
        description="Which layers get adapters. AllLinear: each linear layer but the head. Attention: those"
        " of the queries and values.",
    )
    learning_rate: NonNegative = Field(
        default="0.001",
        description="Learning rate at its highest. The default suits short schedules on models of up to some hundred"
        ' million weights (docs/tuning.md); for a model of billions begin with "0.0002".',
    )

    def in_words(self) -> str:
        """Rank, scale, and where the adapters are."""
        where = "every linear layer" if self.targets == "AllLinear" else "queries and values"
        return f"LoRA adapters of rank {self.rank} (alpha {self.alpha}) on {where}"
