"""A causal model that is asked."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from w2s_api.methods.labelers.asked import AskedSettings, Orders, Shots
from w2s_api.methods.labelers.samples import KEPT_TOKENS, SampleAgreement, TopK, needs_temperature
from w2s_api.spec.base import NonNegative, Rule, Struct, text
from w2s_api.spec.model import MaxTokens, Model
from w2s_api.spec.paths import Place

ShotSelection = Literal["Drawn", "Nearest"]
ReasoningTokens = Annotated[int, Field(ge=0, le=4096)]


def _nearest_needs_shots() -> Rule:
    return Rule(
        cel="!has(self.shotSelection) || self.shotSelection != 'Nearest' || (has(self.shots) && self.shots > 0)",
        message="`shotSelection: Nearest` needs `shots`: say how many of the nearest are shown",
        holds=lambda asked: asked.shot_selection != "Nearest" or asked.shots > 0,
        field="shots",
    )


def _reasons_without_shots() -> Rule:
    return Rule(
        cel="!has(self.reasoningTokens) || self.reasoningTokens == 0 || !has(self.shots) || self.shots == 0",
        message="`reasoningTokens` and `shots` exclude each other: examples would show answers without a reasoning",
        holds=lambda asked: asked.reasoning_tokens == 0 or asked.shots == 0,
        field="reasoningTokens",
    )


class PromptStrategy(Struct):
    """One way to ask, of several that are tried."""

    rules = (_nearest_needs_shots(), _reasons_without_shots())

    shots: Shots = Field(default=0, description="As the labeler's.")
    shot_selection: ShotSelection = Field(default="Drawn", description="As the labeler's.")
    reasoning_tokens: ReasoningTokens = Field(default=0, description="As the labeler's.")
    instruction: Annotated[str, text(2000)] = Field(
        default="", description="Other words for the question. Default: `task.instruction`."
    )

    @property
    def drawn_shots(self) -> int:
        """Examples that are the same in every prompt."""
        return self.shots if self.shot_selection == "Drawn" else 0

    def in_words(self) -> str:
        """What it is called in figures."""
        which = "nearest" if self.shot_selection == "Nearest" else "drawn"
        shots = f"{self.shots} {which} shots" if self.shots else "no shots"
        reasoning = f", {self.reasoning_tokens} tokens of reasoning" if self.reasoning_tokens else ""
        return f"{shots}{reasoning}{', in other words' if self.instruction else ''}"


class Prompted(AskedSettings):
    """A causal model that is asked `task.instruction`: each class name is scored in full as its answer, or it writes."""

    version: ClassVar[int] = 2
    words: ClassVar[str] = "a causal model that is asked"
    of_classes: ClassVar[tuple[str, ...]] = (
        "orders",
        "prior",
        "strategies",
    )
    of_texts: ClassVar[tuple[str, ...]] = ("samples", "temperature", "agreement", "topK")

    rules = (
        needs_temperature(),
        _nearest_needs_shots(),
        _reasons_without_shots(),
        Rule(
            cel="!has(self.topK) || !has(self.reasoningTokens) || self.reasoningTokens == 0",
            message="`topK` and `reasoningTokens` exclude each other: what is probable after a reasoning is not what a student"
            " can learn that has none",
            holds=lambda asked: asked.top_k is None or asked.reasoning_tokens == 0,
            field="topK",
        ),
        Rule(
            cel="!has(self.strategies) || (!(has(self.shots) && self.shots > 0) &&"
            " !(has(self.shotSelection) && self.shotSelection != 'Drawn') &&"
            " !(has(self.reasoningTokens) && self.reasoningTokens > 0))",
            message="each of the `strategies` says for itself what is shown and written: leave `shots`, `shotSelection`"
            " and `reasoningTokens` of the labeler out",
            holds=lambda asked: (
                asked.strategies is None
                or (asked.shots == 0 and asked.shot_selection == "Drawn" and asked.reasoning_tokens == 0)
            ),
            field="strategies",
        ),
    )

    model: Model = Field(description="The causal model, in the Hugging Face layout.")
    shot_selection: ShotSelection = Field(
        default="Drawn",
        description="Drawn: the same shots in every prompt. Nearest: of the gold budget of each seed, the texts"
        " that are most like the text that is asked about, by the model's own features; none is shown for itself"
        " or for a near duplicate.",
    )
    reasoning_tokens: ReasoningTokens = Field(
        default=0,
        description="The model first writes down its reasoning, at most so many tokens, each the likeliest; the class"
        " names are scored after it. Where texts are written, the reasoning has to end with `Answer:`, which the text follows;"
        " without it there is none. 0: it does not.",
    )
    strategies: Annotated[list[PromptStrategy], Field(min_length=2, max_length=8)] | None = Field(
        default=None,
        description="Several ways to ask, of which each seed takes the one with the smallest log loss out of fold on"
        " its gold budget; the figures of all are in the report. Default: the one that the labeler's own fields describe.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    orders: Orders = Field(
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

    top_k: TopK | None = Field(default=None, description=KEPT_TOKENS)

    def tried(self) -> list[PromptStrategy]:
        """The ways to ask: those that are given, or the one that its own fields describe."""
        own = {
            "shots": self.shots,
            "shotSelection": self.shot_selection,
            "reasoningTokens": self.reasoning_tokens,
        }
        return self.strategies or [PromptStrategy.model_validate(own)]

    def shown_labels(self) -> int:
        """The most drawn shots of any strategy, which are those of the others too. Nearest ones are never of the
        text's own family, so that what it says of the budget remains evidence."""
        return max(strategy.drawn_shots for strategy in self.tried())

    def sees_gold(self) -> bool:
        """It does with shots or several strategies, and where the prior is that of the budget."""
        return self.strategies is not None or self.shots > 0 or self.prior == "Gold"

    def doubts(self) -> Iterator[tuple[Place, str]]:
        """Strategies that are there twice, and comparisons of one sample."""
        tried = self.strategies or []
        for place, strategy in enumerate(tried):
            if strategy in tried[:place]:
                yield (
                    ("strategies", place),
                    f"is the same as strategies[{tried.index(strategy)}]: it is asked for nothing",
                )
        if self.samples == 1 and self.agreement != "ExactMatch":
            yield ("agreement",), "there is one sample, and nothing to compare it with: raise `samples`"
