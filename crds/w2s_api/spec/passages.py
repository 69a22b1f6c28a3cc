"""Passages that stand in the prompts beside the texts: retrieval-aware tuning."""

from typing import Annotated, Any

from pydantic import Field

from w2s_api.spec.base import Fraction, Struct, text
from w2s_api.spec.data import Source
from w2s_api.spec.model import Model


class Passages(Struct):
    """Passages beside each text, `{passages}` in the prompt (RAFT, Zhang et al. 2024, arXiv 2403.10131).

    Who may see which: docs/protocol.md.
    """

    oracle: Annotated[str, text(253, 1)] = Field(
        description="The field of the rows with the passage in which the answer stands; empty where nobody knows it. Of"
        " pairs of `synthesis.steps` it is their own passage. All that are given are passages of every prompt.",
    )
    more: Source | None = Field(
        default=None,
        description="Further passages, such as the documents that answers are looked for in: rows with a text. Default: none.",
    )
    count: Annotated[int, Field(ge=1, le=64)] = Field(
        default=4, description="How many passages stand in a prompt."
    )
    oracle_share: Fraction = Field(
        default="0.8",
        description="Of pool and budget, how often the oracle is among the passages of a prompt; elsewhere all are"
        " distractors, so that a student also learns what to write without. Prompts of the test hold what is retrieved.",
    )
    model: Model | None = Field(
        default=None,
        description="The model by whose features passages are retrieved, best a sentence encoder. Default: the strong model"
        " as it came.",
    )

    def result_settings(self) -> dict[str, Any]:
        """What the passages of the prompts depend on, but for the model."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"model"})
