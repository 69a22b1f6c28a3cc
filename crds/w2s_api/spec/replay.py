"""General texts that are mixed in while a model is pretrained on a domain, so that it forgets less."""

from typing import Annotated

from pydantic import Field

from w2s_api.spec.base import Fraction, Rule, Struct
from w2s_api.spec.data import Source


class Prediction(Struct):
    """How the share of general texts is found: a law through the losses of short pilot runs."""

    rules = (
        Rule(
            cel="self.fractions.all(f, double(f) > 0.0 && double(f) < 1.0)"
            " && double(self.heldOut) > 0.0 && double(self.heldOut) < 1.0",
            message="the fractions of pilots must be above 0 and below 1: each learns from both kinds of text",
            holds=lambda p: all(0 < float(fraction) < 1 for fraction in (*p.fractions, p.held_out)),
            field="fractions",
        ),
        Rule(
            cel="self.fractions.all(f, self.fractions.exists_one(g, double(f) == double(g)))"
            " && !self.fractions.exists(f, double(f) == double(self.heldOut))",
            message="the fractions of pilots and `heldOut` must be different ones: the law is fitted to the former and tried on"
            " the latter",
            holds=lambda p: len({*p.fractions, p.held_out}) == len(p.fractions) + 1,
            field="fractions",
        ),
    )

    fractions: Annotated[list[Fraction], Field(min_length=4, max_length=8)] = Field(
        description="Shares of general blocks, one pilot run each. The share that is taken lies between the smallest and the"
        " largest.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    held_out: Fraction = Field(
        description="The share of one more pilot, which the law is not fitted to: what it predicts there is compared with what"
        " is measured."
    )
    steps: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=50,
        description="Optimiser steps of a pilot. Its schedule is that of the training, so much shorter.",
    )
    tolerance: Fraction = Field(
        description="By which share the loss on general texts may rise over that before: the smallest share of general blocks"
        " with which it does not rise further, by the law, is taken."
    )

    def in_words(self) -> str:
        """What is done, as a clause."""
        return (
            f"general text replayed at the share that a law through {len(self.fractions)} pilots of {self.steps:,} steps"
            f" predicts to cost {float(self.tolerance):.0%} of general loss"
        )


class Replay(Struct):
    """General texts among those of the domain (replay, or rehearsal)."""

    rules = (
        Rule(
            cel="has(self.fraction) != has(self.predict)",
            message="give `fraction`, or `predict` to have it found by pilot runs",
            holds=lambda replay: (replay.fraction is None) != (replay.predict is None),
            field="fraction",
        ),
        Rule(
            cel="!has(self.fraction) || double(self.fraction) < 1.0",
            message="`fraction` must be below 1: nothing of the domain would be learnt from",
            holds=lambda replay: replay.fraction is None or float(replay.fraction) < 1,
            field="fraction",
        ),
    )

    corpora: Annotated[list[Source], Field(min_length=1, max_length=4)] = Field(
        description="General texts, in the field `data.fields.text`. Those that are near-duplicates of a text of the test, and"
        " those that the domain has too, are left out. A share of them (`heldOutFraction`) is held out: on it the report says"
        " what the model forgets.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    fraction: Fraction | None = Field(
        default=None,
        description='Their share of the blocks of each step of the training: "0.25" is one block in four. Texts of the domain'
        " are seen as often as without them, so the training gets longer by 1 / (1 - fraction). 0: nothing is replayed, and"
        " what is forgotten is measured.",
    )
    predict: Prediction | None = Field(
        default=None,
        description="Find that share by pilot runs (CMR scaling law, Gu et al. 2024, arXiv 2407.17467; D-CPT law, Que et al."
        " 2024, arXiv 2406.01375).",
    )

    def in_words(self) -> str:
        """How much, as a clause."""
        return (
            self.predict.in_words()
            if self.predict
            else f"{float(self.fraction or 0):.0%} general text replayed"
        )
