"""How a model is tuned: what of it, and on which schedule. Shared by the strong model and by weak labelers."""

from typing import Annotated, Literal

from pydantic import Field

from w2s_api.spec.base import Fraction, NonNegative, Rule, Struct, optional_union


def _positive(field: str, why: str) -> Rule:
    attribute = {"l2": "l2", "learningRate": "learning_rate"}[field]
    return Rule(
        cel=f"!has(self.{field}) || double(self.{field}) > 0.0",
        message=f"`{field}` must be above 0: {why}",
        holds=lambda struct: float(getattr(struct, attribute)) > 0,
        field=field,
    )


class Head(Struct):
    """A linear classification head on the frozen model; its features are computed once and kept."""

    rules = (_positive("l2", "without regularisation the head copies the teacher's errors"),)

    l2: NonNegative = Field(
        default="0.3",
        description="Strength of the L2 penalty on the weights. More of it imitates the teacher less.",
    )


class LoRA(Struct):
    """Low-rank adapters beside the frozen weights (Hu et al. 2021), and the head."""

    rules = (_positive("learningRate", "nothing would be learned"),)

    rank: Annotated[int, Field(ge=1, le=1024)] = Field(default=16, description="Rank of the adapters.")
    alpha: Annotated[int, Field(ge=1, le=4096)] = Field(
        default=32, description="Scale of the adapters: their output counts alpha / rank times."
    )
    targets: Literal["AllLinear", "Attention"] = Field(
        default="AllLinear",
        description="Which layers get adapters. AllLinear: each linear layer but the head. Attention: those"
        " of the queries and values.",
    )
    learning_rate: NonNegative = Field(
        default="0.001",
        description="Learning rate at its highest. The default suits short schedules on models of up to some hundred"
        ' million weights (docs/tuning.md); for a model of billions begin with "0.0002".',
    )


class Full(Struct):
    """All weights of the model."""

    rules = (_positive("learningRate", "nothing would be learned"),)

    learning_rate: NonNegative = Field(
        default="0.00003",
        description='Learning rate at its highest. For a model of billions of weights begin with "0.00001".',
    )


class WeakValidation(Struct):
    """Stops where held-out weak labels are predicted best."""

    fraction: Fraction = Field(
        default="0.1",
        description="Share of the weakly labelled texts, whole families at a time, that is held out.",
    )
    checks: Annotated[int, Field(ge=2, le=100)] = Field(
        default=8, description="How often, evenly over the schedule, it is looked at."
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


class Training(Struct):
    """The schedule of LoRA and Full, and how it is regularised. Short by default: more is more imitation."""

    rules = (
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
    stopping: Stopping = Field(default_factory=Stopping, description="When training ends.")
    gradient_checkpointing: bool = Field(
        default=False,
        description="Compute activations twice in place of keeping them: less memory, a third slower,"
        " same results.",
    )
    checkpoint_interval_seconds: Annotated[int, Field(ge=1, le=86_400)] = Field(
        default=300,
        description="How often training is saved, so that it goes on there when it is interrupted. It is"
        " saved, too, when it is asked to stop.",
    )


class Tuning(Struct):
    """What of the strong model is tuned."""

    rules = optional_union(LoRA="lora", Full="full")

    type: Literal["Head", "LoRA", "Full"] = Field(
        default="Head",
        description="Head: a linear head; the model itself stays frozen. LoRA: low-rank adapters and the"
        " head. Full: everything. LoRA and Full start from the head of the frozen model.",
    )
    head: Head | None = Field(
        default=None, description="Settings of the head, whether it is all or what LoRA and Full start from."
    )
    lora: LoRA | None = Field(default=None, description="Settings of type LoRA.")
    full: Full | None = Field(default=None, description="Settings of type Full.")


class LabelerTuning(Struct):
    """What of a weak model is tuned on the gold budget; the strength of its head is cross-validated there."""

    rules = optional_union(LoRA="lora", Full="full")

    type: Literal["Head", "LoRA", "Full"] = Field(
        default="Head",
        description="Head: a linear head on the frozen model. LoRA: low-rank adapters too. Full: everything.",
    )
    lora: LoRA | None = Field(default=None, description="Settings of type LoRA.")
    full: Full | None = Field(default=None, description="Settings of type Full.")


def needs_schedule() -> Rule:
    """`training` means something only where a schedule is followed."""
    return Rule(
        cel="!has(self.training)"
        " || (has(self.tuning) && has(self.tuning.type) && self.tuning.type != 'Head')",
        message="`training` belongs to the types LoRA and Full: a head is fitted to the end, without a schedule",
        holds=lambda struct: struct.training is None or struct.tuning.type != "Head",
        field="training",
    )
