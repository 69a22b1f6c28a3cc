"""The strong model, and how it is tuned."""

from typing import Annotated, Literal

from pydantic import Field

from w2s_api.spec.base import Fraction, NonNegative, Rule, Struct, optional_union
from w2s_api.spec.tuning import Training, Tuning, needs_schedule
from w2s_api.spec.weak import MaxTokens, Model


class CrossEntropy(Struct):
    """Cross-entropy to the weak labels."""

    targets: Literal["Soft", "Hard"] = Field(
        default="Soft",
        description="Soft: the labelers' probabilities. Hard: their likeliest class.",
    )


class Product(Struct):
    """Cross-entropy to weak label^alpha · student^beta, normalised."""

    alpha: NonNegative = Field(default="1", description="Power of the weak label.")
    beta: NonNegative = Field(default="1", description="Power of the student's own probability.")


class LogConf(Struct):
    """Cross-entropy to a mixture of the weak labels and the student's own decisions (Burns et al. 2023)."""

    max_weight: Fraction = Field(
        default="0.5", description="Weight of the student's own decisions once it is warm."
    )
    warmup_fraction: Fraction = Field(
        default="0.2", description="Share of the steps in which that weight rises from 0, linearly."
    )


class Loss(Struct):
    """What the tuning minimises."""

    rules = optional_union(CrossEntropy="crossEntropy", Product="product", LogConf="logConf")

    type: Literal["CrossEntropy", "Product", "LogConf"] = Field(
        default="CrossEntropy",
        description="CrossEntropy: cross-entropy to the weak labels. LogConf: the student's own confident"
        " decisions count too, so that it repeats fewer of the teacher's errors. Product: the weak labels"
        " are multiplied by the student's probabilities.",
    )
    cross_entropy: CrossEntropy | None = Field(
        default=None, description="Settings of type CrossEntropy. Default: soft targets."
    )
    product: Product | None = Field(default=None, description="Settings of type Product.")
    log_conf: LogConf | None = Field(default=None, description="Settings of type LogConf.")


class Strong(Struct):
    """The strong model, and how it is tuned."""

    rules = (
        needs_schedule(),
        Rule(
            cel="self.loss.type == 'CrossEntropy' || self.tuning.type != 'Head'",
            message="`loss.type` can be CrossEntropy only while `tuning.type` is Head: other losses look at the"
            " student while it learns, and a head is fitted in one go. Write `tuning: {type: LoRA}`",
            holds=lambda strong: strong.loss.type == "CrossEntropy" or strong.tuning.type != "Head",
            field="loss",
        ),
    )

    model: Model = Field(description="The pretrained strong model, in the Hugging Face layout.")
    max_tokens: MaxTokens = Field(
        default=256, description="Texts are cut there; the report counts how many were."
    )
    batch_tokens: Annotated[int, Field(ge=64, le=4_194_304)] = Field(
        default=8192,
        description="Tokens that go through the model at once. Lower it when memory runs out; results do not"
        " change.",
    )
    tuning: Tuning = Field(default_factory=Tuning, description="What of the strong model is tuned.")
    loss: Loss = Field(default_factory=Loss, description="What the tuning minimises.")
    training: Training | None = Field(
        default=None, description="The schedule of LoRA and Full. Default: two epochs of batches of 32."
    )
