"""A causal model that is asked."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from w2s_api.methods.labelers.labeler import LabelerSettings
from w2s_api.methods.labelers.samples import SampleAgreement, needs_temperature
from w2s_api.spec.base import NonNegative
from w2s_api.spec.model import MaxTokens, Model
from w2s_api.spec.paths import Place


class Prompted(LabelerSettings):
    """A causal model that is asked `task.instruction`: each class name is scored in full as its answer, or it writes."""

    version: ClassVar[int] = 2
    words: ClassVar[str] = "a causal model that is asked"
    is_asked: ClassVar[bool] = True
    of_classes: ClassVar[tuple[str, ...]] = ("orders", "prior")
    of_texts: ClassVar[tuple[str, ...]] = ("samples", "temperature", "agreement")

    rules = (needs_temperature(),)

    model: Model = Field(description="The causal model, in the Hugging Face layout.")
    shots: Annotated[int, Field(ge=0, le=64)] = Field(
        default=0,
        description="Expert-labelled examples in the prompt, drawn from the gold budget of each seed, the"
        " classes in turn.",
    )
    orders: Annotated[int, Field(ge=1, le=24)] = Field(
        default=2,
        description="In how many orders the classes are listed; the scores are averaged, since models prefer"
        " a place in the list.",
    )
    prior: Literal["Uniform", "Gold", "None"] = Field(
        default="Uniform",
        description="Models prefer some words, whatever the text. Uniform: scores are shifted until each"
        " class is as likely as the others over the pool. Gold: as in the gold budget of each seed. None:"
        " they are taken as they are.",
    )
    max_tokens: MaxTokens = Field(
        default=512, description="Texts are cut there; the report counts how many were."
    )

    samples: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1,
        description="Texts that it writes about each text; of several, the one that agrees most with the others is"
        " taken.",
    )
    temperature: NonNegative = Field(
        default="0",
        description="Of the texts that it writes. 0: the likeliest words. Above: words are drawn, as several `samples`"
        " need it.",
    )
    agreement: SampleAgreement = Field(
        default="ExactMatch",
        description="How `samples` are compared. ExactMatch: the most frequent one is taken. TokenF1, Chrf: the one"
        " that is most like all of them.",
    )

    def shown_labels(self) -> int:
        """Its shots."""
        return self.shots

    def sees_gold(self) -> bool:
        """It does with shots, and where the prior is that of the budget."""
        return self.shots > 0 or self.prior == "Gold"

    def doubts(self) -> Iterator[tuple[Place, str]]:
        """Comparisons of one sample."""
        if self.samples == 1 and self.agreement != "ExactMatch":
            yield ("agreement",), "there is one sample, and nothing to compare it with: raise `samples`"
