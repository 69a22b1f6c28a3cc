"""Who labels the pool: the weak labelers."""

from typing import Annotated, Literal

from pydantic import Field

from w2s_api.spec.base import ModelURI, Name, NonNegative, Rule, Struct, text, union
from w2s_api.spec.data import Source
from w2s_api.spec.tuning import LabelerTuning, Training, needs_schedule

MaxTokens = Annotated[int, Field(ge=8, le=131_072)]


class Model(Struct):
    """Given by its URI."""

    uri: ModelURI = Field(
        description="hf://org/name[@revision], s3://bucket/prefix/, py://package (weights shipped in an"
        " installed Python package) or, with `w2s run` only, file:///directory."
    )


class LabelMapping(Struct):
    """The model's own name of a class, and the task's."""

    model_label: Annotated[str, text(128, 1)] = Field(description="The label as the model's config has it.")
    class_name: Annotated[str, text(63, 1)] = Field(description="The class of `task.classes` that it means.")


class TrainedOn(Struct):
    """What the weak model has seen; by default unknown. If it has seen the test, the gain looks smaller than it is."""

    rules = union(Unknown="", Elsewhere="", Data="data")

    type: Literal["Unknown", "Elsewhere", "Data"] = Field(
        description="Unknown: it may have seen the test, and the report says so. Elsewhere: it was made"
        " without any of these data. Data: it was trained on the rows of `data`; families that they share"
        " with the test leave the test.",
    )
    data: Annotated[list[Source], Field(min_length=1, max_length=8)] | None = Field(
        default=None,
        description="The rows that it was trained on.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )


class Classifier(Struct):
    """A fine-tuned sequence classification model that you have already."""

    model: Model = Field(description="The model, in the Hugging Face layout.")
    labels: Annotated[list[LabelMapping], Field(max_length=100)] = Field(
        default_factory=list,
        description="Which label of the model means which class. Default: they are called the same.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["modelLabel"]},
    )
    abstain_on: Annotated[list[Annotated[str, text(128, 1)]], Field(max_length=100)] = Field(
        default_factory=list,
        description="Labels of the model that mean none of the classes. A text where one of them is the likeliest"
        " gets no weak label. Default: a model with such labels is refused.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    trained_on: TrainedOn = Field(
        default_factory=lambda: TrainedOn(type="Unknown"),
        description="What the weak model has seen.",
    )
    max_tokens: MaxTokens = Field(
        default=512, description="Texts are cut there; the report counts how many were."
    )


class Finetuned(Struct):
    """A small model that is tuned on the gold budget of each seed."""

    rules = (needs_schedule(),)

    model: Model = Field(description="The pretrained model, in the Hugging Face layout.")
    max_tokens: MaxTokens = Field(
        default=256, description="Texts are cut there; the report counts how many were."
    )
    tuning: LabelerTuning = Field(default_factory=LabelerTuning, description="What of the model is tuned.")
    training: Training | None = Field(
        default=None, description="The schedule of LoRA and Full. Default: two epochs of batches of 32."
    )


class Prompted(Struct):
    """A causal model that is asked `task.instruction`; each class name is scored in full as its answer."""

    model: Model = Field(description="The causal model, in the Hugging Face layout.")
    shots: Annotated[int, Field(ge=0, le=64)] = Field(
        default=0,
        description="Expert-labelled examples in the prompt, drawn from the gold budget of each seed, the"
        " classes in turn.",
    )
    orders: Annotated[int, Field(ge=1, le=24)] = Field(
        default=2,
        description="In how many orders the classes are listed; the scores are averaged, since models prefer"
        " a place in the list.",
    )
    prior: Literal["Uniform", "Gold", "None"] = Field(
        default="Uniform",
        description="Models prefer some words, whatever the text. Uniform: scores are shifted until each"
        " class is as likely as the others over the pool. Gold: as in the gold budget of each seed. None:"
        " they are taken as they are.",
    )
    max_tokens: MaxTokens = Field(
        default=512, description="Texts are cut there; the report counts how many were."
    )


class FunctionRule(Struct):
    """One rule: where it matches, it votes for a class."""

    rules = (
        Rule(
            cel="has(self.pattern) != has(self.keywords)",
            message="give either `pattern` or `keywords`",
            holds=lambda r: (r.pattern is None) != (r.keywords is None),
            field="pattern",
        ),
    )

    class_name: Annotated[str, text(63, 1)] = Field(description="The class of `task.classes` to vote for.")
    pattern: Annotated[str, text(1000, 1)] | None = Field(
        default=None,
        description="A regular expression (RE2 syntax, any case, words of every script) that is searched in the"
        " text.",
    )
    keywords: Annotated[list[Annotated[str, text(128, 1)]], Field(min_length=1, max_length=100)] | None = (
        Field(
            default=None,
            description="Whole words or phrases (any case); one of them is enough. In scripts without spaces they are"
            " found anywhere.",
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        )
    )


class Functions(Struct):
    """Rules that vote. No vote, or a tie, is an abstention: the text stays without a weak label."""

    rules_: Annotated[list[FunctionRule], Field(min_length=1, max_length=200)] = Field(
        alias="rules",
        description="The rules. Each votes once at most.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    max_characters: Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        default=100_000, description="Only the beginning of each text, this long, is searched."
    )


class Labeler(Struct):
    """Something that labels texts, not always rightly."""

    rules = (
        *union(Classifier="classifier", Finetuned="finetuned", Prompted="prompted", Functions="functions"),
        Rule(
            cel="self.type != 'Finetuned' || !has(self.calibration) || self.calibration == 'None'",
            message="a labeler of type Finetuned is not calibrated: it was tuned on the gold budget, and what it"
            " says of that would make it far too sure. Write `calibration: None`, or leave it out",
            holds=lambda labeler: labeler.type != "Finetuned" or labeler.calibration == "None",
            field="calibration",
        ),
    )

    name: Name = Field(description="What the labeler is called in pod names, log lines and the report.")
    type: Literal["Classifier", "Finetuned", "Prompted", "Functions"] = Field(
        description="Classifier: a fine-tuned model that you have. Finetuned: a small model that is tuned on"
        " the gold budget first. Prompted: a causal model that is asked. Functions: keyword and regex rules."
    )
    classifier: Classifier | None = Field(default=None, description="Settings of type Classifier.")
    finetuned: Finetuned | None = Field(default=None, description="Settings of type Finetuned.")
    prompted: Prompted | None = Field(default=None, description="Settings of type Prompted.")
    functions: Functions | None = Field(default=None, description="Settings of type Functions.")
    calibration: Literal["None", "Temperature"] = Field(
        default="None",
        description="None: scores are taken as they are. Temperature: one temperature is fitted on the gold"
        " budget of each seed, so that a probability of .8 is right about 80 % of the time; not for Finetuned,"
        " which was tuned on it.",
    )
    batch_tokens: Annotated[int, Field(ge=64, le=4_194_304)] = Field(
        default=8192, description="Tokens in a batch. Lower it when memory runs out; labels do not change."
    )
    shards: Annotated[int, Field(ge=1, le=256)] = Field(
        default=1, description="Into how many parts the labelling is cut. Labels do not depend on it."
    )


class Weak(Struct):
    """The weak labelers, whose labels the strong model learns from."""

    labelers: Annotated[list[Labeler], Field(min_length=1, max_length=8)] = Field(
        description="One or several; `aggregation` says how several become one.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )


class LabelerWeight(Struct):
    """How much a labeler counts."""

    labeler: Name = Field(description="The name of the labeler.")
    weight: NonNegative = Field(description="Its weight, relative to the others.")


class WeightedAverage(Struct):
    """The weighted average of the labelers' distributions; who abstains on a text is left out there."""

    weights: Annotated[list[LabelerWeight], Field(max_length=8)] = Field(
        default_factory=list,
        description='Weights of labelers. Default: "1" for each that is not named.',
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["labeler"]},
    )


class Aggregation(Struct):
    """How the labels of several labelers become one distribution per text."""

    type: Literal["WeightedAverage"] = Field(
        default="WeightedAverage", description="WeightedAverage: the weighted average of the distributions."
    )
    weighted_average: WeightedAverage | None = Field(
        default=None, description="Settings of type WeightedAverage. Default: all weights are equal."
    )
