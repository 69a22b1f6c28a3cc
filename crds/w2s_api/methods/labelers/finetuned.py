"""A small model that is tuned on the gold budget."""

from typing import Any, ClassVar

from pydantic import Field

from w2s_api.methods.labelers.labeler import LabelerSettings
from w2s_api.methods.labelers.samples import KEPT_TOKENS, TopK
from w2s_api.methods.method import Method
from w2s_api.methods.tunings import Head
from w2s_api.spec.base import Rule
from w2s_api.spec.model import MaxTokens, Model
from w2s_api.spec.tuning import LabelerTuning, Training, needs_schedule


class Finetuned(LabelerSettings):
    """A small model that is tuned on the gold budget of each seed."""

    version: ClassVar[int] = 3
    words: ClassVar[str] = "a small model that is tuned on the gold budget first"
    learns_budget: ClassVar[bool] = True
    of_texts: ClassVar[tuple[str, ...]] = ("topK",)
    not_calibrated_because: ClassVar[str] = (
        "it was tuned on the gold budget, and what it says of that would make it far too sure"
    )

    rules = (
        needs_schedule(),
        Rule(
            cel="!has(self.training) || !has(self.training.order) || self.training.order == 'Random'",
            message="`training.order` is by the confidence of weak labels, and this labeler learns from the experts', of which"
            " each is as sure as any other. Leave it out",
            holds=lambda labeler: labeler.training is None or labeler.training.order == "Random",
            field="training.order",
        ),
    )

    model: Model = Field(description="The pretrained model, in the Hugging Face layout.")
    max_tokens: MaxTokens = Field(
        default=256, description="Texts are cut there; the report counts how many were."
    )
    tuning: LabelerTuning = Field(default_factory=LabelerTuning, description="What of the model is tuned.")
    training: Training | None = Field(
        default=None, description="The schedule of LoRA and Full. Default: two epochs of batches of 32."
    )

    top_k: TopK | None = Field(default=None, description=KEPT_TOKENS)

    @property
    def schedule(self) -> Training:
        """The schedule; its defaults where the manifest gives none."""
        return self.training or Training()

    def result_settings(self) -> dict[str, Any]:
        """Of the schedule, what results depend on."""
        settings = super().result_settings()
        if self.training:
            settings["training"] = self.training.result_settings()
        return settings

    def uses(self) -> tuple[type[Method], ...]:
        """How it is tuned, and the head that tuning begins with."""
        return (Head, self.tuning.method)

    def sees_gold(self) -> bool:
        """It learns from it."""
        return True
