"""Training on preferences: of two texts the one that an expert wrote is to be the likelier one."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from w2s_api.methods.finish_steps.step import FinishSettings
from w2s_api.spec.base import Fraction, NonNegative, Rule, attribute_of
from w2s_api.spec.tuning import Schedule

_DEFAULT_BETA = {"DPO": "0.1", "SimPO": "2"}
_DEFAULT_MARGIN = "1"


class AlignmentSchedule(Schedule):
    """The schedule of training on preferences, and how it is regularised."""

    epochs: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=1, description="How often each pair is seen."
    )
    batch_size: Annotated[int, Field(ge=1, le=65536)] = Field(
        default=8, description="Pairs in one step of the optimiser, over all processes."
    )


def _positive(field: str) -> Rule:
    def holds(step: "Align") -> bool:
        given = getattr(step, attribute_of(type(step), field))
        return given is None or float(given) > 0

    return Rule(
        cel=f"!has(self.{field}) || double(self.{field}) > 0.0",
        message=f"`{field}` must be above 0: nothing would be learned",
        holds=holds,
        field=field,
    )


class Align(FinishSettings):
    """The student is trained on preferences: of two texts about the same text, the preferred one becomes the likelier one.

    Pairs are made from the gold budget of the seed: the expert's text is preferred to the teacher's, where both differ. DPO
    (Rafailov et al. 2023, arXiv 2305.18290, eq. 7) compares with the student before; SimPO (Meng et al. 2024, arXiv 2405.14734,
    eq. 6) needs no reference and looks at the mean over tokens.
    """

    words: ClassVar[str] = "train it on preferences, the experts' texts over the teacher's"
    processes: ClassVar[Literal["One", "PerGPU"]] = "PerGPU"
    learns_budget: ClassVar[bool] = True
    only_for: ClassVar[frozenset[str]] = frozenset({"Generation"})
    rules = (
        _positive("beta"),
        _positive("learningRate"),
        Rule(
            cel="!has(self.margin) || (has(self.method) && self.method == 'SimPO')",
            message="`margin` belongs to the method SimPO",
            holds=lambda step: step.margin is None or step.method == "SimPO",
            field="margin",
        ),
        Rule(
            cel="!has(self.heldOutFraction)"
            " || (double(self.heldOutFraction) > 0.0 && double(self.heldOutFraction) < 1.0)",
            message="`heldOutFraction` must be above 0 and below 1: pairs are held out to measure on, and the"
            " others learnt from",
            holds=lambda step: 0 < float(step.held_out_fraction) < 1,
            field="heldOutFraction",
        ),
    )

    method: Literal["DPO", "SimPO"] = Field(
        default="DPO",
        description="DPO: the preferred text gains over the student before (Rafailov et al. 2023, arXiv 2305.18290). SimPO:"
        " it becomes likelier by `margin`, each as a mean over its tokens (Meng et al. 2024, arXiv 2405.14734).",
    )
    beta: NonNegative | None = Field(
        default=None,
        description="β of the loss. Of DPO, more of it stays nearer to the student before. Default:"
        ' "0.1" for DPO, "2" for SimPO.',
    )
    margin: NonNegative | None = Field(
        default=None,
        description='γ, by how much the preferred text is to be likelier, for SimPO. Default: "1".',
    )
    learning_rate: NonNegative | None = Field(
        default=None,
        description="Learning rate at its highest. Default: a tenth of that of `strong.tuning`.",
    )
    training: AlignmentSchedule = Field(default_factory=AlignmentSchedule, description="The schedule.")
    held_out_fraction: Fraction = Field(
        default="0.2",
        description="Share of the pairs, whole families at a time, that is not learnt from: on it the report says how often the"
        " preferred text is the likelier one, before and after.",
    )

    @property
    def reads_labels(self) -> bool:
        """What the teacher wrote is the other half of each pair."""
        return True

    @property
    def strength(self) -> float:
        """β; its default where the manifest gives none."""
        return float(self.beta or _DEFAULT_BETA[self.method])

    @property
    def gap(self) -> float:
        """γ; its default where the manifest gives none, 0 for DPO."""
        return 0.0 if self.method == "DPO" else float(self.margin or _DEFAULT_MARGIN)

    def result_settings(self) -> dict[str, Any]:
        """Of the schedule, what results depend on."""
        return {**super().result_settings(), "training": self.training.result_settings() or None}

    def in_words(self) -> str:
        """By which loss, and how often."""
        epochs = self.training.epochs
        times = "1 epoch" if epochs == 1 else f"{epochs:,} epochs"
        margin = f", γ = {self.gap:g}" if self.method == "SimPO" else ""
        return (
            f"it was trained to prefer the experts' texts of the gold budget to the teacher's by {self.method}"
            f" (β = {self.strength:g}{margin}; {times})"
        )
