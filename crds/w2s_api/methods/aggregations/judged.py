"""The text that a model prefers."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from w2s_api.methods.aggregations.aggregation import AggregationSettings
from w2s_api.spec.base import Fraction, Rule, text
from w2s_api.spec.model import MaxTokens, Model


class Judged(AggregationSettings):
    """Of the texts that the labelers wrote, the one that a model prefers by a rubric (LLM as a judge, Zheng et al. 2023, arXiv
    2306.05685).

    Texts meet in the order of the labelers: the one that stands is compared with the next, in both orders, and gives way only
    where the model prefers the next in both. A labeler that abstains on a text is left out there, and equal texts are one.
    """

    words: ClassVar[str] = "of written texts the one that a model prefers by a rubric, asked in both orders"
    only_for: ClassVar[frozenset[str]] = frozenset({"Generation"})
    least_labelers: ClassVar[int] = 2
    asks_question: ClassVar[bool] = True

    rules = (
        Rule(
            cel="!has(self.margin) || double(self.margin) < 0.5",
            message="`margin` must be below 0.5: the first labeler's text would always stand",
            holds=lambda judge: float(judge.margin) < 0.5,
            field="margin",
        ),
    )

    model: Model = Field(description="The causal model that judges, in the Hugging Face layout.")
    rubric: Annotated[str, text(4000, 1)] = Field(
        description="What makes a text the better one, in words: the model sees it with the task's instruction, the text that"
        " was written about, and two of the texts."
    )
    margin: Fraction = Field(
        default="0",
        description="By how much the mean of the probabilities of both orders must be above one half for the later text to take"
        " the place of the one before; what is nearer is a tie.",
    )
    max_tokens: MaxTokens = Field(
        default=512, description="The text that was written about and both texts are each cut there."
    )
    batch_tokens: Annotated[int, Field(ge=64, le=4_194_304)] = Field(
        default=8192, description="Tokens in a batch. Lower it when memory runs out; verdicts do not change."
    )

    def result_settings(self) -> dict[str, Any]:
        """All but how questions are cut into batches."""
        settings = super().result_settings()
        return {name: settings[name] for name in settings if name != "batchTokens"}
