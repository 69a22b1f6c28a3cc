"""Pairs that are made from the documents of the pool and take its place."""

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from w2s_api.methods.synthesis_steps import SYNTHESIS_STEPS, SynthesisSettings
from w2s_api.spec.base import Fraction, Rule, Struct, text
from w2s_api.spec.unions import MethodUnion, of_methods

_PairText = Annotated[str, text(2000, 1)]


class _SynthesisStep(MethodUnion):
    """One step of the synthesis; what all steps make is put together."""

    @property
    def settings(self) -> SynthesisSettings:
        """The settings of the method that `type` names."""
        settings: SynthesisSettings = super().settings
        return settings


if TYPE_CHECKING:
    SynthesisStep = _SynthesisStep
else:
    SynthesisStep = of_methods(_SynthesisStep, SYNTHESIS_STEPS)


class Synthesis(Struct):
    """Pairs of a question and its answer that are made from the documents of the pool and take its place."""

    rules = (
        Rule(
            cel="self.text.contains('{question}')",
            message="`text` has no {question}: pairs of one passage would be one text",
            holds=lambda s: "{question}" in s.text,
            field="text",
        ),
        Rule(
            cel="double(self.mostAlike) > 0.0",
            message="`mostAlike` must be above 0: every two pairs would be alike",
            holds=lambda s: float(s.most_alike) > 0,
            field="mostAlike",
        ),
    )

    steps: Annotated[list[SynthesisStep], Field(max_length=8)] = Field(
        default_factory=list,
        description="Who makes pairs. Default: nobody; the texts of the pool are labelled as they are. A labeler of type"
        " Imported gives their answers (`field: answer`), and any other labeler may write its own.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    text: _PairText = Field(
        default="{question}\n\n{passage}",
        description="How a pair is written as a text: as gold texts are written.",
    )
    passage_characters: Annotated[int, Field(ge=50, le=100_000)] = Field(
        default=600,
        description="The longest passage that is shown with a question, whole words of its document.",
    )
    longest_answer: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=50, description="Words of an answer; a pair with more is dropped."
    )
    most_alike: Fraction = Field(
        default="0.7",
        description="A pair is dropped where question, answer and quotation are each as like those of one that is kept, by"
        " ROUGE-L (Self-Instruct, arXiv 2212.10560). 1: only what says the same.",
    )

    def result_settings(self) -> dict[str, Any]:
        """What pairs depend on."""
        plain = self.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"steps"})
        return {**plain, "steps": [step.result_settings() for step in self.steps]}
