"""The texts that a model finds neither too unlikely nor too likely."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from w2s_api.methods.selection_steps.step import StepSettings
from w2s_api.spec.base import Fraction, Rule
from w2s_api.spec.model import MaxTokens, Model


class Likelihood(StepSettings):
    """Drops the written texts that a causal model finds least or most likely after the task's prompt.

    Unlikely texts are wrong, or hard; likely ones are what the model would write anyway. It reads no expert label and cannot
    tell hard from wrong.
    """

    words: ClassVar[str] = "drop the written texts that a model finds least likely, or most"
    only_for: ClassVar[frozenset[str]] = frozenset({"Generation"})
    asks_question: ClassVar[bool] = True
    rules = (
        Rule(
            cel="(has(self.dropLeastLikely) ? double(self.dropLeastLikely) : 0.0)"
            " + (has(self.dropMostLikely) ? double(self.dropMostLikely) : 0.0) > 0.0",
            message="write `dropLeastLikely` or `dropMostLikely`: the step would change nothing",
            holds=lambda step: float(step.drop_least_likely) + float(step.drop_most_likely) > 0,
            field="dropLeastLikely",
        ),
        Rule(
            cel="(has(self.dropLeastLikely) ? double(self.dropLeastLikely) : 0.0)"
            " + (has(self.dropMostLikely) ? double(self.dropMostLikely) : 0.0) < 1.0",
            message="`dropLeastLikely` and `dropMostLikely` come to 1 or more: nothing would be left to train on",
            holds=lambda step: float(step.drop_least_likely) + float(step.drop_most_likely) < 1,
            field="dropLeastLikely",
        ),
    )

    drop_least_likely: Fraction = Field(
        default="0", description='The share of the texts that is dropped at the unlikely end, e.g. "0.1".'
    )
    drop_most_likely: Fraction = Field(
        default="0", description="The share of the texts that is dropped at the likely end."
    )
    per: Literal["Token", "Text"] = Field(
        default="Token",
        description="Token: the mean log-probability of a text's tokens. Text: their sum, by which long texts are unlikely.",
    )
    model: Model | None = Field(
        default=None,
        description="The causal model whose likelihood it is: that of a labeler, to ask the writer itself. Default: the"
        " strong model as it came.",
    )
    max_tokens: MaxTokens = Field(default=512, description="The sources are cut there.")
    batch_tokens: Annotated[int, Field(ge=64, le=4_194_304)] = Field(
        default=8192, description="Tokens in a batch. Lower it when memory runs out; nothing else changes."
    )

    def reads_strong(self) -> bool:
        """It does where no other model is named."""
        return self.model is None

    def result_settings(self) -> dict[str, Any]:
        """All but how texts are cut into batches."""
        settings = super().result_settings()
        return {name: settings[name] for name in settings if name != "batchTokens"}
