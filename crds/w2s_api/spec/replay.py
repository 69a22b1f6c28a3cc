"""General texts that are mixed in while a model is pretrained on a domain, so that it forgets less."""

from typing import Annotated

from pydantic import Field

from w2s_api.spec.base import Fraction, Rule, Struct
from w2s_api.spec.data import Source


class Replay(Struct):
    """General texts among those of the domain (replay, or rehearsal)."""

    rules = (
        Rule(
            cel="double(self.fraction) < 1.0",
            message="`fraction` must be below 1: nothing of the domain would be learnt from",
            holds=lambda replay: float(replay.fraction) < 1,
            field="fraction",
        ),
    )

    corpora: Annotated[list[Source], Field(min_length=1, max_length=4)] = Field(
        description="General texts, in the field `data.fields.text`. Those that are near-duplicates of a text of the test, and"
        " those that the domain has too, are left out. A share of them (`heldOutFraction`) is held out: on it the report says"
        " what the model forgets.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    fraction: Fraction = Field(
        description='Their share of the blocks of each step of the training: "0.25" is one block in four. Texts of the domain'
        " are seen as often as without them, so the training gets longer by 1 / (1 - fraction). 0: nothing is replayed, and"
        " what is forgotten is measured.",
    )

    def in_words(self) -> str:
        """How much, as a clause."""
        return f"{float(self.fraction):.0%} general text replayed"
