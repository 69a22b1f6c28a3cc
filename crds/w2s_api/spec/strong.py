"""The strong model, and how it is tuned."""

from typing import Annotated, Literal

from pydantic import Field

from w2s_api.spec.base import NonNegative, Rule, Struct
from w2s_api.spec.weak import MaxTokens, Model


class Head(Struct):
    """A linear classification head on the frozen model; its features are computed once and kept."""

    rules = (
        Rule(
            cel="double(self.l2) > 0.0",
            message="`l2` must be above 0: without regularisation the head copies the teacher's errors",
            holds=lambda h: float(h.l2) > 0,
            field="l2",
        ),
    )

    l2: NonNegative = Field(
        default="1",
        description="Strength of the L2 penalty on the weights. More of it imitates the teacher less.",
    )


class Tuning(Struct):
    """What of the strong model is tuned."""

    type: Literal["Head"] = Field(
        default="Head", description="Head: a linear head; the model itself stays frozen."
    )
    head: Head | None = Field(default=None, description="Settings of type Head.")


class CrossEntropy(Struct):
    """Cross-entropy to the weak labels."""

    targets: Literal["Soft", "Hard"] = Field(
        default="Soft",
        description="Soft: the labelers' probabilities. Hard: their likeliest class.",
    )


class Loss(Struct):
    """What the tuning minimises."""

    type: Literal["CrossEntropy"] = Field(
        default="CrossEntropy", description="CrossEntropy: cross-entropy to the weak labels."
    )
    cross_entropy: CrossEntropy | None = Field(
        default=None, description="Settings of type CrossEntropy. Default: soft targets."
    )


class Strong(Struct):
    """The strong model, and how it is tuned."""

    model: Model = Field(description="The pretrained strong model, in the Hugging Face layout.")
    max_tokens: MaxTokens = Field(
        default=256, description="Texts are cut there; the report counts how many were."
    )
    batch_tokens: Annotated[int, Field(ge=64, le=4_194_304)] = Field(
        default=8192, description="Tokens in a batch. Lower it when memory runs out; results do not change."
    )
    tuning: Tuning = Field(default_factory=Tuning, description="What of the strong model is tuned.")
    loss: Loss = Field(default_factory=Loss, description="What the tuning minimises.")
