"""How a model is tuned: what of it, and on which schedule. Shared by the strong model and by weak labelers."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from w2s_api.methods.tunings import TUNINGS, Head, TuningSettings
from w2s_api.spec.base import Fraction, NonNegative, Rule, Struct, optional_union
from w2s_api.spec.early_termination import EarlyTermination
from w2s_api.spec.privacy import Privacy
from w2s_api.spec.unions import MethodUnion, of_methods, only_types


class WeakValidation(Struct):
    """Stops where held-out weak labels are predicted best."""

    fraction: Fraction = Field(
        default="0.1",
        description="Share of the weakly labelled texts, whole families at a time, that is held out.",
    )
    checks: Annotated[int, Field(ge=2, le=100)] = Field(
        default=8,
        description="How often, evenly over the schedule, the held-out weak labels are predicted.",
    )


class Stopping(Struct):
    """When training ends."""

    rules = optional_union(WeakValidation="weakValidation")

    type: Literal["FixedSchedule", "WeakValidation"] = Field(
        default="FixedSchedule",
        description="FixedSchedule: at the end of the schedule. WeakValidation: where held-out weak labels"
        " are predicted best; it prefers imitation of the teacher, so the report also shows the student at"
        " the end of its schedule. Arms that are tuned on gold labels keep to the schedule.",
    )
    weak_validation: WeakValidation | None = Field(
        default=None, description="Settings of type WeakValidation."
    )

    @property
    def validation(self) -> WeakValidation:
        """Settings of type WeakValidation; its defaults where the manifest gives none."""
        return self.weak_validation or WeakValidation()


class Schedule(Struct):
    """A schedule of gradient steps, and how they are regularised."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.dropout) || double(self.dropout) < 1.0",
            message="`dropout` must be below 1",
            holds=lambda t: float(t.dropout) < 1,
            field="dropout",
        ),
    )

    epochs: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=2, description="How often each text is seen."
    )
    batch_size: Annotated[int, Field(ge=1, le=65536)] = Field(
        default=32, description="Texts in one step of the optimiser, over all processes."
    )
    schedule: Literal["Linear", "Cosine", "Constant"] = Field(
        default="Linear", description="How the learning rate goes down to 0 after the warm-up, or does not."
    )
    warmup_fraction: Fraction = Field(
        default="0.1", description="Share of the steps in which the learning rate rises to its highest."
    )
    weight_decay: NonNegative = Field(
        default="0.01", description="Decoupled weight decay (AdamW) of weight matrices."
    )
    dropout: Fraction = Field(
        default="0", description="Dropout in the model and its adapters, in place of the model's own."
    )
    gradient_clipping: NonNegative = Field(
        default="1", description="Gradients are scaled down to this norm. 0: they are not."
    )
    gradient_checkpointing: bool = Field(
        default=False,
        description="Compute activations twice in place of keeping them: less memory, a third slower,"
        " same results.",
    )
    checkpoint_interval_seconds: Annotated[int, Field(ge=1, le=86_400)] = Field(
        default=300,
        description="How often training is saved, so that it can resume from there after an interruption. It is also"
        " saved when it is asked to stop.",
    )

    def result_settings(self, without: frozenset[str] = frozenset()) -> dict[str, Any]:
        """What results depend on: not how training is saved, nor where its activations are.

        Args:
            without: names of fields that play no part for the caller.
        """
        not_results = {"gradient_checkpointing", "checkpoint_interval_seconds"}
        return self.model_dump(
            mode="json", by_alias=True, exclude_defaults=True, exclude=not_results | without
        )


class Training(Schedule):
    """The schedule of LoRA and Full, and how it is regularised. Short by default: more is more imitation."""

    stopping: Stopping = Field(default_factory=Stopping, description="When training ends.")
    order: Literal["Random", "EasyToHard", "HardToEasy"] = Field(
        default="Random",
        description="The order in which an epoch sees its texts. Random: drawn anew for each. EasyToHard: the texts first of"
        " whose weak label the labelers are surest; HardToEasy: those last; ties are drawn anew for each epoch. Arms that"
        " are tuned on gold labels keep to Random.",
    )


class StudentTraining(Training):
    """The schedule of students, and what is promised of those that learn from weak labels."""

    of_weak_labels: ClassVar[frozenset[str]] = frozenset(
        {"stopping", "privacy", "early_termination", "order"}
    )
    """Fields that play no part for students on gold labels: these are taken at their word, to the end."""
    rules: ClassVar[tuple[Rule, ...]] = (
        *Training.rules,
        Rule(
            cel="!has(self.privacy) || !has(self.stopping) || !has(self.stopping.type)"
            " || self.stopping.type == 'FixedSchedule'",
            message="`privacy` does not go with `stopping: {type: WeakValidation}`: which state is kept would tell of the texts"
            " that are held out, and no noise hides that. Leave one of the two out",
            holds=lambda training: not training.privacy or training.stopping.type == "FixedSchedule",
            field="privacy",
        ),
        Rule(
            cel="!has(self.privacy) || !has(self.earlyTermination)",
            message="`privacy` does not go with `earlyTermination`: whether a run ends would tell of the texts' losses. Leave"
            " one of the two out",
            holds=lambda training: not training.privacy or not training.early_termination,
            field="earlyTermination",
        ),
        Rule(
            cel="!has(self.privacy) || !has(self.order) || self.order == 'Random'",
            message="`privacy` does not go with `order`: which texts a step has is drawn for each of them by lot. Leave one of"
            " the two out",
            holds=lambda training: not training.privacy or training.order == "Random",
            field="order",
        ),
    )

    privacy: Privacy | None = Field(
        default=None,
        description="Differential privacy of each student on weak labels: what its weights tell of any one of their texts is"
        " bounded (docs/tuning.md says what that covers). Students on gold labels are trained without. Default: none.",
    )
    early_termination: EarlyTermination | None = Field(
        default=None,
        description="Students on weak labels that have learned nothing by their first steps end the stage. Default: every"
        " training goes on to its end.",
    )


class AnyTuning(MethodUnion):
    """A choice of one tuning."""

    @property
    def settings(self) -> TuningSettings:
        """The settings of the method that `type` names."""
        settings: TuningSettings = super().settings
        return settings


class _Tuning(AnyTuning):
    """What of the strong model is tuned."""

    type: str
    head: Head | None = Field(
        default=None, description="Settings of the head, whether it is all or what LoRA and Full start from."
    )

    @property
    def head_settings(self) -> Head:
        """Settings of the head; its defaults where the manifest gives none."""
        return self.head or Head()


class _LabelerTuning(AnyTuning):
    """What of a weak model is tuned on the gold budget; the strength of its head is cross-validated there."""

    without_settings = frozenset({"Head"})


if TYPE_CHECKING:
    Tuning = _Tuning
    LabelerTuning = _LabelerTuning
else:
    Tuning = of_methods(_Tuning, TUNINGS, default="Head", may_be_left_out=True)
    LabelerTuning = of_methods(_LabelerTuning, TUNINGS, default="Head", may_be_left_out=True)


def needs_schedule() -> Rule:
    """`training` means something only where a schedule is followed."""
    return Rule(
        cel="!has(self.training) || (has(self.tuning) && has(self.tuning.type)"
        f" && !({only_types(TUNINGS, 'on_frozen_model', 'self.tuning.type')}))",
        message="`training` belongs to the types LoRA and Full: a head is fitted to the end, without a schedule",
        holds=lambda struct: struct.training is None or not struct.tuning.settings.on_frozen_model,
        field="training",
    )
