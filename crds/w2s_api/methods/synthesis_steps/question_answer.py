"""Questions with answers that are quoted from a document."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

from pydantic import Field

from w2s_api.methods.synthesis_steps.step import SynthesisSettings
from w2s_api.rule_template import fault_of
from w2s_api.spec.base import Rule, Struct, text
from w2s_api.spec.model import Model
from w2s_api.spec.paths import Place

_GROUPS = "`{year}` is what the group `(?P<year>…)` of `pattern` matches, as it is written there; a brace that is meant is"
_TWICE = " written twice."


class QuestionRule(Struct):
    """Where the pattern matches, a question and its answer are made of what it captures."""

    pattern: Annotated[str, text(1000, 1)] = Field(
        description="A regular expression (RE2 syntax, any case) that is searched in the document as it is written. What it"
        " matches is the quotation."
    )
    question: Annotated[str, text(1000, 1)] = Field(description=f"The question. {_GROUPS}{_TWICE}")
    answer: Annotated[str, text(1000, 1)] = Field(description="The answer, written like the question.")


class ExamplePair(Struct):
    """A pair that shows the model what is wanted."""

    passage: Annotated[str, text(10_000, 1)] = Field(description="A text.")
    question: Annotated[str, text(1000, 1)] = Field(description="A question that it answers.")
    quotation: Annotated[str, text(2000, 1)] = Field(description="The words of the text that say so.")
    answer: Annotated[str, text(2000, 1)] = Field(description="The answer.")


class QuestionAnswer(SynthesisSettings):
    """Pairs that rules or a model write, each with the words of its document that it is grounded in.

    A pair whose quotation does not stand in the passage that was asked about is dropped and counted.
    """

    rules = (
        Rule(
            cel="has(self.model) != has(self.rules)",
            message="give either `model` or `rules`",
            holds=lambda s: (s.model is None) != (s.rules_ is None),
            field="model",
        ),
        Rule(
            cel="has(self.model) || !has(self.examples) || size(self.examples) == 0",
            message="`examples` are shown to a model: leave them out beside `rules`",
            holds=lambda s: s.model is not None or not s.examples,
            field="examples",
        ),
    )

    words: ClassVar[str] = (
        "have a model or rules write a question, its answer and the words of the text that say so"
    )

    model: Model | None = Field(
        default=None,
        description="A causal model, in the Hugging Face layout, that writes one pair about each of `perDocument` passages of a"
        " document, the likeliest words each time.",
    )
    rules_: Annotated[list[QuestionRule], Field(min_length=1, max_length=100)] | None = Field(
        alias="rules",
        default=None,
        description="Rules that make a pair wherever they match. Rules take turns, in this order.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    instruction: Annotated[str, text(2000, 1)] = Field(
        default="Write a question that the text answers, the words of the text that answer it, and the answer.",
        description="What the model is asked about each passage. What it writes is to have a line each that begins with"
        " `Question:`, `Quotation:` and `Answer:`, as the examples have.",
    )
    examples: Annotated[list[ExamplePair], Field(max_length=16)] = Field(
        default_factory=list,
        description="Pairs that the model is shown, in this order. None may be of a text of the test.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    max_new_tokens: Annotated[int, Field(ge=8, le=4096)] = Field(
        default=128, description="Of the model: what is longer is cut off, and no pair."
    )
    batch_tokens: Annotated[int, Field(ge=64, le=4_194_304)] = Field(
        default=8192, description="Tokens in a batch. Lower it when memory runs out; pairs do not change."
    )

    def result_settings(self) -> dict[str, Any]:
        """All but how it is cut into batches."""
        settings = super().result_settings()
        return {name: settings[name] for name in settings if name != "batchTokens"}

    def shown_passages(self) -> tuple[str, ...]:
        """Those of its examples."""
        return tuple(example.passage for example in self.examples)

    def mistakes(self) -> Iterator[tuple[Place, str]]:
        """Templates that name groups which their patterns do not have; examples whose quotation is not in their passage."""
        for place, rule in enumerate(self.rules_ or ()):
            for field, template in (("question", rule.question), ("answer", rule.answer)):
                if fault := fault_of(template, rule.pattern):
                    yield ("rules", place, field), fault
        for place, example in enumerate(self.examples):
            if " ".join(example.quotation.split()) not in " ".join(example.passage.split()):
                yield ("examples", place, "quotation"), "does not stand in the passage of the example"
