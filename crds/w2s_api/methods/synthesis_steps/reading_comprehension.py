"""Tasks of reading comprehension that are mined from raw texts."""

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field

from w2s_api.methods.synthesis_steps.step import SynthesisSettings

ComprehensionTask = Literal["Definition", "Heading", "Completion", "Cause"]


class ReadingComprehension(SynthesisSettings):
    """Pairs that the wording of a document gives away, without any model (AdaptLLM, arXiv 2309.09530).

    The wordings that it looks for are English.
    """

    words: ClassVar[str] = (
        "mine definitions, headings, beginnings of sentences, and causes with their consequences from English texts"
    )

    tasks: Annotated[list[ComprehensionTask], Field(min_length=1, max_length=4)] = Field(
        default_factory=lambda: list(get_args(ComprehensionTask)),
        description="What is asked. Definition: what a term means, where the text says so (means, refers to, is defined as)."
        " Heading: what the part of a document is called. Completion: how a sentence goes on after the text before it. Cause:"
        " why something is so, or what follows from it, where the text joins two clauses by because, therefore and the like."
        " Tasks take turns, in this order.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
