"""The texts that a model rates highest by a rubric."""

from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from w2s_api.methods.selection_steps.step import Sight, StepSettings
from w2s_api.spec.base import Fraction, NonNegative, Rule, text
from w2s_api.spec.model import MaxTokens, Model

Scale = Literal["OneToFive", "YesNo"]
ENDS: dict[str, tuple[int, int]] = {"OneToFive": (1, 5), "YesNo": (0, 1)}
"""The lowest and the highest rating of each scale."""


class Judge(StepSettings):
    """Keeps the weak labels that a model, asked by a rubric, rates highest (Ask-LLM, Sachdeva et al. 2024, arXiv 2402.09668).

    It rates a sample. What it said is distilled into a ridge regression on the features of the frozen strong model, which rates
    the rest; how far the two agree on families held out is in the audit. Where the regression learns nothing, every text is
    kept, and the report says so. No expert label is read.
    """

    words: ClassVar[str] = (
        "keep the texts that a model rates highest by a rubric, its ratings of a sample distilled for the rest"
    )
    looks_at: ClassVar[frozenset[Sight]] = frozenset({"features"})
    asks_question: ClassVar[bool] = True
    rules = (
        Rule(
            cel="has(self.keepFraction) != has(self.minimum)",
            message="write `keepFraction`, the share that is kept, or `minimum`, the lowest rating that is, and not both",
            holds=lambda judge: (judge.keep_fraction is None) != (judge.minimum is None),
            field="keepFraction",
        ),
        Rule(
            cel="!has(self.keepFraction) || (double(self.keepFraction) > 0.0 && double(self.keepFraction) < 1.0)",
            message="`keepFraction` must be above 0 and below 1: of 1 the step would change nothing",
            holds=lambda judge: judge.keep_fraction is None or 0 < float(judge.keep_fraction) < 1,
            field="keepFraction",
        ),
        Rule(
            cel="!has(self.minimum) || (has(self.scale) && self.scale == 'YesNo'"
            " ? double(self.minimum) > 0.0 && double(self.minimum) < 1.0"
            " : double(self.minimum) > 1.0 && double(self.minimum) < 5.0)",
            message="`minimum` must lie between the ends of the scale, 1 and 5, or 0 and 1 where `scale` is YesNo: else all"
            " would be kept or none",
            holds=lambda judge: judge.minimum is None or _is_between(judge.minimum, *ENDS[judge.scale]),
            field="minimum",
        ),
    )

    model: Model = Field(description="The causal model that rates, in the Hugging Face layout.")
    rubric: Annotated[str, text(4000, 1)] = Field(
        description="What makes a weak label good, in words: the model sees it with the task's instruction, the text and the"
        " weak label."
    )
    scale: Scale = Field(
        default="OneToFive",
        description="OneToFive: the rating is the mean of the numbers 1 to 5 by the model's probabilities. YesNo: the"
        " probability that it answers Yes to whether the weak label is good.",
    )
    sample: Annotated[int, Field(ge=32, le=1_000_000)] = Field(
        default=1000,
        description="How many texts the model itself rates, by a hash of their ids. Where there are no more, it rates all.",
    )
    keep_fraction: Fraction | None = Field(
        default=None, description="The share that is kept, of each class where there are classes."
    )
    minimum: NonNegative | None = Field(
        default=None,
        description='The lowest rating that is kept, e.g. "3.5", or "0.6" of YesNo. Ratings of the regression are nearer to'
        " their mean than the model's own.",
    )
    least_mass: Fraction = Field(
        default="0.5",
        description="Where the model gives less probability to all ratings together, it would rather say something else: the"
        " answer is counted and not used. Small models need less, and their ratings mean less.",
    )
    folds: Annotated[int, Field(ge=2, le=10)] = Field(
        default=5,
        description="Into how many parts the families of the sample are dealt, to choose the strength of the regression and to"
        " see whether it learnt anything.",
    )
    max_tokens: MaxTokens = Field(
        default=512, description="Texts are cut there before they are rated, and so are weak labels."
    )
    batch_tokens: Annotated[int, Field(ge=64, le=4_194_304)] = Field(
        default=8192, description="Tokens in a batch. Lower it when memory runs out; ratings do not change."
    )

    def result_settings(self) -> dict[str, Any]:
        """All but how ratings are cut into batches."""
        settings = super().result_settings()
        return {name: settings[name] for name in settings if name != "batchTokens"}


def _is_between(number: str, lowest: int, highest: int) -> bool:
    return lowest < Decimal(number) < highest
