"""What is compared with what, which of the arms is the candidate, and what it must beat to be published."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from w2s_api.arms import BASELINES, CANDIDATES, CONTROLS
from w2s_api.metrics import METRICS
from w2s_api.spec.base import Fraction, NonNegative, OneOrder, Rule, Signed, Struct, text
from w2s_api.spec.model import MaxTokens, Model
from w2s_api.spec.pods import LocalObject
from w2s_api.spec.retention import Retention

if TYPE_CHECKING:
    Control = str
    Baseline = str
    Candidate = str
    Metric = str
else:
    Control = Literal[CONTROLS]
    Baseline = Literal[tuple(BASELINES)]
    Candidate = Literal[tuple(CANDIDATES)]
    Metric = Literal[tuple(METRICS)]

TO_BEAT = ("Weak",)


class PairwiseJudge(Struct):
    """A model that is asked which of two texts is the better. Exploratory: it decides nothing."""

    rules = (
        Rule(
            cel="!has(self.margin) || double(self.margin) < 0.5",
            message="`margin` must be below 0.5: no text could win",
            holds=lambda judge: float(judge.margin) < 0.5,
            field="margin",
        ),
    )

    model: Model = Field(description="The causal model that judges, in the Hugging Face layout.")
    question: Annotated[str, text(4000, 1)] = Field(
        default="Which of the two is the better answer?",
        description="What the judge is asked about the two texts, with what makes one better.",
    )
    sample: Annotated[int, Field(ge=20, le=100_000)] = Field(
        default=300, description="How many texts of the test it is asked about, by a hash of their ids."
    )
    margin: Fraction = Field(
        default="0",
        description="By how much the mean of the probabilities of both orders must be above one half for a win; what is nearer"
        " is a tie.",
    )
    max_tokens: MaxTokens = Field(default=512, description="The text and both answers are each cut there.")
    batch_tokens: Annotated[int, Field(ge=64, le=4_194_304)] = Field(
        default=8192, description="Tokens in a batch. Lower it when memory runs out; verdicts do not change."
    )


class Evaluation(Struct):
    """What the strong model is compared with. Terms: docs/protocol.md."""

    rules = (
        Rule(
            cel="double(self.positiveThreshold) > 0.0 && double(self.positiveThreshold) < 1.0",
            message="`positiveThreshold` must lie between 0 and 1, both excluded",
            holds=lambda e: 0 < float(e.positive_threshold) < 1,
            field="positiveThreshold",
        ),
    )

    seeds: Annotated[int, Field(ge=1, le=20)] = Field(
        default=3,
        description="How many times gold budget, order and initialisation are drawn anew. The test stays the"
        " same. With one seed, intervals leave out what another draw would change.",
    )
    ceiling: bool = Field(
        default=False,
        description="Train on expert labels of the pool too, to see how far the weak labels are from them."
        " Needs the label field in the rows of `data.unlabeled`.",
    )
    unadapted: bool = Field(
        default=True,
        description="While the strong model is adapted (`strong.adaptation.steps`), train the student of the model before, too,"
        " to see what the adaptation is worth.",
    )
    unfinished: bool = Field(
        default=True,
        description="While the student is changed after its training (`strong.finish.steps`), report the student before, too,"
        " to see what these steps are worth. It costs nothing: that student is there.",
    )
    controls: Annotated[list[Control], Field(max_length=5), OneOrder] = Field(
        default_factory=lambda: list(CONTROLS),
        description="What else is compared. Unfiltered: trained without selection. GoldOnly: tuned on the gold"
        " budget alone. ZeroShot: the strong model as it came. Cascade: the weak labels where there are any,"
        " the strong model elsewhere. Head: while LoRA or Full is tuned, a head on the frozen model beside it,"
        " trained on the same labels, to see what the tuning is worth.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    positive_threshold: Fraction = Field(
        default="0.5",
        description="For a task of two classes with `positiveClass`: a text counts as positive from this"
        " probability on. It is fixed here so that it cannot be tuned on the test.",
    )
    judge: PairwiseJudge | None = Field(
        default=None,
        description="For texts that are written: a model prefers the text of the candidate, or that of the teacher, on a sample"
        " of the test, in both orders. Exploratory; its agreement with the experts is reported beside it. Default: nobody is"
        " asked.",
    )
    retention: Retention | None = Field(
        default=None,
        description="What the strong model lost of what it could before, on general texts: perplexity before and after it was"
        " adapted and tuned and, for tasks that write, answers to fixed prompts. `promotion.maxForgetting` refuses by it."
        " Default: it is not measured.",
    )
    credentials_secret_ref: LocalObject | None = Field(
        default=None,
        description="A Secret as in `storage.credentialsSecretRef` for the pods of `evaluate` alone, so that the"
        " right to read the test's labels can be theirs alone. Default: that of `storage`.",
    )


class Promotion(Struct):
    """What is published, and what it must beat before."""

    candidate: Candidate = Field(
        default="Combined",
        description="What the job is about: what is compared, held against the gate and published. Combined: teacher,"
        " student on weak labels, student on gold labels and the strong model as it came, added in log-odds; the"
        " students are published as one model, and beside it what `w2s predict` needs to add the teacher. Of texts that are"
        " written, the one of teacher, student and student on gold labels that is most probably right. Student: the"
        " student on weak labels alone. SelfTrained: with `strong.rounds`, the student of the last round of self-training that"
        " the gold budget accepts, one model without the teacher; as Combined where it accepts none.",
    )
    metric: Metric = Field(
        default="MacroF1",
        description="The metric that the comparison is about, declared before it is measured. "
        + " ".join(f"{metric.name}: {metric.words}." for metric in METRICS.values()),
    )
    must_beat: Annotated[list[Baseline], Field(max_length=5), OneOrder] = Field(
        default_factory=lambda: list(TO_BEAT),
        description="The arms that the candidate must beat: each lower bound of the 95 % interval of the"
        " gain must be above `minLowerBound`. Empty: it is published in any case.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    publish: Literal["Merged", "Adapter"] = Field(
        default="Merged",
        description="How the student is published. Merged: as one model. Adapter: apart from the model that it was"
        " tuned on, for peft; for LoRA only.",
    )
    min_lower_bound: Signed = Field(
        default="0", description='What the lower bound of the gain must be above, e.g. "0.02".'
    )
    max_forgetting: NonNegative | None = Field(
        default=None,
        description="By which share the loss on the texts of `evaluation.retention` may have risen: the upper bound of its 95 %"
        ' interval must not be above it, e.g. "0.05". Default: forgetting refuses nothing.',
    )


class Report(Struct):
    """What the report may show."""

    examples: Literal["None", "Excerpts"] = Field(
        default="None",
        description="None: no text of the data is quoted. Excerpts: short excerpts of texts that were missed"
        " or flagged wrongly are shown.",
    )
