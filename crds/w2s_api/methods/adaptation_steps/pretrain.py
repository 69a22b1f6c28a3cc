"""Further pretraining on the texts of the job and of its domain."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from w2s_api.methods.adaptation_steps.step import AdaptationSettings, between, needs_texts
from w2s_api.methods.method import Method
from w2s_api.methods.retainers import RETAINERS
from w2s_api.methods.tunings import TUNINGS, TuningSettings
from w2s_api.spec.base import Fraction, Rule
from w2s_api.spec.data import Source
from w2s_api.spec.replay import Replay
from w2s_api.spec.retain import Retain
from w2s_api.spec.tuning import AnyTuning, Schedule
from w2s_api.spec.unions import of_methods, only_types


class PretrainingSchedule(Schedule):
    """The schedule of pretraining, and how it is regularised."""

    epochs: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=1, description="How often each text is seen. On a pool of some thousand texts begin with 5."
    )
    batch_size: Annotated[int, Field(ge=1, le=65536)] = Field(
        default=32,
        description="Blocks in one step of the optimiser, over all processes. Texts that fill fewer are refused.",
    )


_BY_STEPS: Mapping[str, type[TuningSettings]] = {
    name: tuning for name, tuning in TUNINGS.items() if not tuning.on_frozen_model
}


class _PretrainingTuning(AnyTuning):
    """What of the model is tuned while it is pretrained; adapters are merged at the end."""


if TYPE_CHECKING:
    PretrainingTuning = _PretrainingTuning
else:
    PretrainingTuning = of_methods(_PretrainingTuning, _BY_STEPS, default="Full", may_be_left_out=True)


def _retained(
    fact: str, otherwise: str, message: str, holds: Callable[["Pretrain"], bool], field: str
) -> Rule:
    """What a retainer with a fact needs of the step; `otherwise` is that in CEL."""
    return Rule(
        cel=f"!has(self.retain) || !({only_types(RETAINERS, fact, 'self.retain.type')}) || {otherwise}",
        message=message,
        holds=lambda step: step.retain is None or not getattr(step.retain.settings, fact) or holds(step),
        field=field,
    )


class Pretrain(AdaptationSettings):
    """Pretraining goes on, on texts of the task and of its domain (Gururangan et al. 2020, arXiv 2004.10964).

    A causal model learns to predict each next token; an encoder to fill in tokens that are masked (Devlin et al. 2019,
    arXiv 1810.04805). No label is read, and no text of the test.
    """

    words: ClassVar[str] = "go on with pretraining, on the texts of the pool and of corpora of the domain"
    processes: ClassVar[Literal["One", "PerGPU"]] = "PerGPU"
    learns_tokens: ClassVar[bool] = True
    rules = (
        needs_texts("learn from"),
        Rule(
            cel="!has(self.subset) || double(self.subset) > 0.0",
            message="`subset` must be above 0: there would be no text to learn from",
            holds=lambda step: float(step.subset) > 0,
            field="subset",
        ),
        between(
            "maskFraction",
            "of a block all of whose tokens are hidden nothing can be learnt, nor of one with none",
        ),
        _retained(
            "of_own_weights",
            "!has(self.tuning) || !has(self.tuning.type)"
            f" || !({only_types(_BY_STEPS, 'keeps_weights', 'self.tuning.type')})",
            "this `retain.type` is about the model's own weights, and adapters leave these as they are: write"
            " `tuning: {type: Full}`, or `retain: {type: Distillation}`",
            lambda step: not step.tuning.settings.keeps_weights,
            "tuning.type",
        ),
        _retained(
            "adds_blocks",
            "!has(self.freezeBlocks) || self.freezeBlocks == 0",
            "beside added blocks all others stay as they are: leave `freezeBlocks` out",
            lambda step: not step.freeze_blocks,
            "freezeBlocks",
        ),
        between(
            "heldOutFraction", "the loss is measured on texts that are held out, and learnt on the others"
        ),
    )

    pool: bool = Field(
        default=True,
        description="Learn from the texts of `data.unlabeled`: task-adaptive pretraining. Texts of test families are"
        " not among them.",
    )
    corpora: Annotated[list[Source], Field(max_length=8)] = Field(
        default_factory=list,
        description="More texts, of the domain, in the field `data.fields.text`. Those that are near-duplicates of a text of"
        " the test are left out.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    replay: Replay | None = Field(
        default=None,
        description="General texts that are mixed in, against forgetting. Default: none.",
    )
    subset: Fraction = Field(
        default="1",
        description="The share of the texts that is learnt from, whole families at a time: a part of them, seen in more"
        " `epochs`, costs the same.",
    )
    block_tokens: Annotated[int, Field(ge=8, le=131_072)] = Field(
        default=256,
        description="Tokens of a block. Texts are put end to end and cut into blocks, so that nothing is padded.",
    )
    mask_fraction: Fraction = Field(
        default="0.15",
        description="For encoders: the share of a block's tokens that is to be filled in. Of these, 80 % are masked, 10 %"
        " replaced by any token, 10 % left as they are.",
    )
    tuning: PretrainingTuning = Field(
        default_factory=PretrainingTuning,
        description="What of the model is tuned. LoRA is merged into the weights at the end.",
    )
    freeze_blocks: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=0,
        description="So many of the first blocks, and the input embeddings, stay as they are: less is learnt, and less is"
        " forgotten.",
    )
    retain: Retain | None = Field(
        default=None,
        description="What else keeps the model close to the one before, so that it forgets less. Default: nothing.",
    )
    training: PretrainingSchedule = Field(default_factory=PretrainingSchedule, description="The schedule.")
    held_out_fraction: Fraction = Field(
        default="0.05",
        description="Share of the texts, whole families at a time, on which the loss is measured before, meanwhile and"
        " at the end.",
    )
    checks: Annotated[int, Field(ge=1, le=100)] = Field(
        default=8,
        description="How often, evenly over the schedule, that loss is measured. A rise that goes away again is the"
        " stability gap (Guo et al. 2024, arXiv 2406.14833); the report shows it.",
    )

    def result_settings(self) -> dict[str, Any]:
        """Of tuning and schedule, what results depend on."""
        return {
            **super().result_settings(),
            "tuning": self.tuning.result_settings() or None,
            "training": self.training.result_settings() or None,
            "retain": self.retain.result_settings() if self.retain else None,
        }

    @property
    def keeps_shapes(self) -> bool:
        """Whether the model has as many blocks as before."""
        return self.retain is None or not self.retain.settings.adds_blocks

    def uses(self) -> tuple[type[Method], ...]:
        """How it is tuned, and what keeps it close."""
        return (self.tuning.method, *([self.retain.method] if self.retain else []))

    def in_words(self) -> str:
        """What on, how often and what of it."""
        what = " and ".join(
            [
                *(["the pool"] if self.pool else []),
                *([f"{len(self.corpora)} corpora"] if self.corpora else []),
            ]
        )
        epochs = self.training.epochs
        times = "1 epoch" if epochs == 1 else f"{epochs:,} epochs"
        part = "" if float(self.subset) == 1 else f"{float(self.subset):.0%} of "
        frozen = f"; the first {self.freeze_blocks} blocks stayed as they were" if self.freeze_blocks else ""
        replay = f"; {self.replay.in_words()}" if self.replay else ""
        retained = f"; {self.retain.settings.in_words()}" if self.retain else ""
        return f"pretrained on {part}{what}, {times}; tuned: {self.tuning.settings.in_words()}{frozen}{retained}{replay}"
