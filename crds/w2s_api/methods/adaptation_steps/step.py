"""What every step of the adaptation says of itself."""

from typing import ClassVar, Literal

from w2s_api.methods.method import Method
from w2s_api.spec.base import Rule, attribute_of


def needs_texts(purpose: str) -> Rule:
    """A step that reads `pool` and `corpora` has one of them; `purpose`: what there would be no text for."""
    return Rule(
        cel="!has(self.pool) || self.pool || (has(self.corpora) && size(self.corpora) > 0)",
        message=f"without `pool`, give `corpora`: there would be no text to {purpose}",
        holds=lambda step: step.pool or bool(step.corpora),
        field="corpora",
    )


def between(field: str, of_bounds: str) -> Rule:
    """A share is neither nothing nor all; `of_bounds`: what would be wrong with these."""
    return Rule(
        cel=f"!has(self.{field}) || (double(self.{field}) > 0.0 && double(self.{field}) < 1.0)",
        message=f"`{field}` must be above 0 and below 1: {of_bounds}",
        holds=lambda step: 0 < float(getattr(step, attribute_of(type(step), field))) < 1,
        field=field,
    )


class AdaptationSettings(Method):
    """Settings of a step that makes a model of a model. What it makes is an artifact in the Hugging Face layout."""

    processes: ClassVar[Literal["One", "PerGPU"]] = "One"
    """How many processes run it together (`Stage.processes`)."""

    adds_tokens: ClassVar[bool] = False
    """The model that it makes has tokens that it has never seen."""
    learns_tokens: ClassVar[bool] = False
    """It learns from texts what tokens mean."""

    @property
    def keeps_shapes(self) -> bool:
        """Whether the model that it makes has the tokenizer, and weights of the shapes, of the one before it."""
        return True

    @property
    def reads_pool(self) -> bool:
        """Whether what it makes depends on the texts of the job's pool."""
        return bool(getattr(self, "pool", False))

    def in_words(self) -> str:
        """What is done with these settings, for the report and the model card: a clause."""
        raise NotImplementedError
