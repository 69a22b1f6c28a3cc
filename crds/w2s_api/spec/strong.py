"""The strong model, and how it is tuned."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from w2s_api.methods.adaptation_steps import ADAPTATION_STEPS
from w2s_api.methods.losses import LOSSES, LossSettings
from w2s_api.methods.method import field_of
from w2s_api.methods.tunings import TUNINGS
from w2s_api.spec.adaptation import Adaptation
from w2s_api.spec.base import Rule, Struct
from w2s_api.spec.finish import Finish
from w2s_api.spec.model import MaxTokens, Model
from w2s_api.spec.rounds import Rounds
from w2s_api.spec.tuning import StudentTraining, Tuning, needs_schedule
from w2s_api.spec.unions import MethodUnion, of_methods, only_types


class _Loss(MethodUnion):
    """What the tuning minimises."""

    @property
    def settings(self) -> LossSettings:
        """The settings of the method that `type` names."""
        settings: LossSettings = super().settings
        return settings


if TYPE_CHECKING:
    Loss = _Loss
else:
    Loss = of_methods(_Loss, LOSSES, default="CrossEntropy", may_be_left_out=True)


_NOT_PRIVATE = "!has(self.training) || !has(self.training.privacy)"
_READS_POOL = " || ".join(
    f"(s.type == '{name}' && (!has(s.{key}) || !has(s.{key}.pool) || s.{key}.pool))"
    for name, step in ADAPTATION_STEPS.items()
    if "pool" in step.model_fields
    for key in [field_of(step)]
)
"""In CEL, of a step `s` of the adaptation: whether it reads the pool, which it does by default."""


class Strong(Struct):
    """The strong model, and how it is tuned."""

    rules = (
        needs_schedule(),
        Rule(
            cel=f"!({only_types(LOSSES, 'looks_at_student', 'self.loss.type')})"
            f" || !({only_types(TUNINGS, 'on_frozen_model', 'self.tuning.type')})",
            message="`loss.type` can be CrossEntropy only while `tuning.type` is Head: other losses look at the"
            " student while it learns, and a head is fitted in one go. Write `tuning: {type: LoRA}`",
            holds=lambda strong: (
                not strong.loss.settings.looks_at_student or not strong.tuning.settings.on_frozen_model
            ),
            field="loss",
        ),
        Rule(
            cel=f"self.rounds.max == 1 || {only_types(TUNINGS, 'on_frozen_model', 'self.tuning.type')}",
            message="`rounds.max` can be above 1 only while `tuning.type` is Head, for tasks of type Classification: each round"
            " would be another tuning. Leave `rounds` out, or write `tuning: {type: Head}`",
            holds=lambda strong: strong.rounds.max == 1 or strong.tuning.settings.on_frozen_model,
            field="rounds.max",
        ),
        Rule(
            cel="size(self.finish.steps) == 0"
            f" || !({only_types(TUNINGS, 'on_frozen_model', 'self.tuning.type')})",
            message="`finish.steps` are for students whose model is tuned: beside a head, the model is as it came, and there is"
            " nothing to merge. Write `tuning: {type: LoRA}`",
            holds=lambda strong: not strong.finish.steps or not strong.tuning.settings.on_frozen_model,
            field="finish.steps",
        ),
        Rule(
            cel=f"{_NOT_PRIVATE} || !({only_types(LOSSES, 'looks_across', 'self.loss.type')})",
            message="`training.privacy` does not go with this `loss.type`: its targets for a text depend on other texts, and"
            " noise that hides one text's gradient does not hide the text. Write `loss: {type: CrossEntropy}`",
            holds=lambda strong: not strong.schedule.privacy or not strong.loss.settings.looks_across,
            field="training.privacy",
        ),
        Rule(
            cel=f"{_NOT_PRIVATE} || !self.adaptation.steps.exists(s, {_READS_POOL})",
            message="`training.privacy` does not go with a step of the adaptation that reads the pool: its texts would"
            " leave their mark without noise. Write `pool: false` and `corpora` that need no protection",
            holds=lambda strong: (
                not strong.schedule.privacy
                or not any(step.settings.reads_pool for step in strong.adaptation.steps)
            ),
            field="training.privacy",
        ),
    )

    model: Model = Field(description="The pretrained strong model, in the Hugging Face layout.")
    adaptation: Adaptation = Field(
        default_factory=Adaptation,
        description="What is done to the strong model before anything learns from labels.",
    )
    max_tokens: MaxTokens = Field(
        default=256, description="Texts are cut there; the report counts how many were."
    )
    batch_tokens: Annotated[int, Field(ge=64, le=4_194_304)] = Field(
        default=8192,
        description="Tokens that go through the model at once. Lower it when memory runs out; results do not"
        " change.",
    )
    tuning: Tuning = Field(default_factory=Tuning, description="What of the strong model is tuned.")
    loss: Loss = Field(default_factory=Loss, description="What the tuning minimises.")
    training: StudentTraining | None = Field(
        default=None, description="The schedule of LoRA and Full. Default: two epochs of batches of 32."
    )
    rounds: Rounds = Field(
        default_factory=Rounds, description="Self-training: students that teach students. Default: none."
    )
    finish: Finish = Field(
        default_factory=Finish, description="What is done to the student after it was trained."
    )

    @property
    def schedule(self) -> StudentTraining:
        """The schedule; its defaults where the manifest gives none."""
        return self.training or StudentTraining()
