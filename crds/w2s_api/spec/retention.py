"""What the strong model is asked for before and after it was adapted and tuned, to see what it forgot."""

from typing import Annotated

from pydantic import Field

from w2s_api.spec.base import Struct, text
from w2s_api.spec.data import Source

LEAST_TEXTS = 20
"""Texts below which nothing is measured: the bootstrap of fewer is too narrow (docs/protocol.md, Intervals)."""


class Retention(Struct):
    """What the strong model keeps of what it could before (docs/retention.md). It is measured once, for the published seed."""

    texts: Source = Field(
        description="General texts, in the field `data.fields.text`: what the model should go on to be good at. None of the"
        " job's own data, nor of the corpora of its adaptation."
    )
    max_texts: Annotated[int, Field(ge=LEAST_TEXTS, le=100_000)] = Field(
        default=500,
        description="How many of them both models read, by a hash of the texts. More texts, narrower intervals.",
    )
    max_tokens: Annotated[int, Field(ge=8, le=131_072)] = Field(
        default=256, description="Each text is cut there."
    )
    prompts: Annotated[list[Annotated[str, text(4000, 1)]], Field(max_length=200)] = Field(
        default_factory=list,
        description="For tasks that write: what both models answer, to see how many answers are empty, cut off, or end in a"
        " loop. Default: twenty plain questions that are part of w2s.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    max_new_tokens: Annotated[int, Field(ge=8, le=4096)] = Field(
        default=96, description="For tasks that write: an answer to a prompt is cut off there."
    )
