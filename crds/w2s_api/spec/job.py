"""The WeakToStrongJob itself, and the rules that cross its parts."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from w2s_api.spec.base import NAME_MEANING, NAME_PATTERN, Rule, Stranger, Struct, refers, text
from w2s_api.spec.data import Data
from w2s_api.spec.evaluation import Evaluation, Promotion, Report
from w2s_api.spec.selection import Selection
from w2s_api.spec.storage import Storage
from w2s_api.spec.strong import Strong
from w2s_api.spec.task import Task
from w2s_api.spec.weak import Aggregation, Weak


def _strange_rivals(spec: "Spec") -> Iterator[Stranger]:
    computed = ("Weak", *spec.evaluation.controls)
    for place, rival in enumerate(spec.promotion.over):
        if rival not in computed:
            yield Stranger(("promotion", "over", place), rival, computed)


def _strange_votes(spec: "Spec") -> Iterator[Stranger]:
    known = spec.task.class_names
    for number, labeler in enumerate(spec.weak.labelers):
        for place, rule in enumerate(labeler.functions.rules_ if labeler.functions else ()):
            if rule.class_name not in known:
                path = ("weak", "labelers", number, "functions", "rules", place, "className")
                yield Stranger(path, rule.class_name, known)


def _strange_meanings(spec: "Spec") -> Iterator[Stranger]:
    known = spec.task.class_names
    for number, labeler in enumerate(spec.weak.labelers):
        for place, label in enumerate(labeler.classifier.labels if labeler.classifier else ()):
            if label.class_name not in known:
                path = ("weak", "labelers", number, "classifier", "labels", place, "className")
                yield Stranger(path, label.class_name, known)


def _strange_weights(spec: "Spec") -> Iterator[Stranger]:
    known = tuple(labeler.name for labeler in spec.weak.labelers)
    average = spec.aggregation.weighted_average
    for place, weight in enumerate(average.weights if average else ()):
        if weight.labeler not in known:
            path = ("aggregation", "weightedAverage", "weights", place, "labeler")
            yield Stranger(path, weight.labeler, known)


class Spec(Struct):
    """What is wanted. It may be edited at any time: only what an edit changes is run again."""

    rules = (
        refers(
            cel="self.promotion.over.all(a, a == 'Weak' || a in self.evaluation.controls)",
            message="`promotion.over` names an arm that is not computed: add it to `evaluation.controls`",
            field="promotion.over",
            strangers=_strange_rivals,
        ),
        Rule(
            cel="!('Unfiltered' in self.promotion.over) || size(self.selection.steps) > 0",
            message="`promotion.over` names Unfiltered, but without `selection.steps` that arm is `strong`"
            " itself: leave it out, or select",
            holds=lambda s: "Unfiltered" not in s.promotion.over or bool(s.selection.steps),
            field="promotion.over",
        ),
        Rule(
            cel="self.promotion.metric != 'AUROC' || has(self.task.positiveClass)"
            " || size(self.task.classes) > 2",
            message="metric AUROC needs `task.positiveClass`",
            holds=lambda s: (
                s.promotion.metric != "AUROC" or s.task.positive_class is not None or len(s.task.classes) > 2
            ),
            field="promotion.metric",
        ),
        refers(
            cel="self.weak.labelers.all(l, !has(l.functions)"
            " || l.functions.rules.all(r, self.task.classes.exists(c, c.name == r.className)))",
            message="a rule votes for a class that `task.classes` does not have",
            field="weak.labelers",
            strangers=_strange_votes,
        ),
        refers(
            cel="self.weak.labelers.all(l, !has(l.classifier) || !has(l.classifier.labels)"
            " || l.classifier.labels.all(m, self.task.classes.exists(c, c.name == m.className)))",
            message="a label of a classifier is mapped to a class that `task.classes` does not have",
            field="weak.labelers",
            strangers=_strange_meanings,
        ),
        refers(
            cel="!has(self.aggregation.weightedAverage) || self.aggregation.weightedAverage.weights.all(w,"
            " self.weak.labelers.exists(l, l.name == w.labeler))",
            message="a weight names a labeler that `weak.labelers` does not have",
            field="aggregation.weightedAverage.weights",
            strangers=_strange_weights,
        ),
    )

    task: Task = Field(description="What is to be decided about each text.")
    data: Data = Field(description="Which texts there are, and which of them experts have labelled.")
    storage: Storage = Field(description="Where artifacts, results and models are kept.")
    weak: Weak = Field(description="The weak labelers, whose labels the strong model learns from.")
    aggregation: Aggregation = Field(
        default_factory=Aggregation,
        description="How the labels of several labelers become one distribution per text.",
    )
    selection: Selection = Field(
        default_factory=Selection, description="Which weakly labelled texts the strong model is trained on."
    )
    strong: Strong = Field(description="The strong model, and how it is tuned.")
    evaluation: Evaluation = Field(
        default_factory=Evaluation, description="What the strong model is compared with."
    )
    promotion: Promotion = Field(
        default_factory=Promotion, description="What the strong model must beat to be published."
    )
    report: Report = Field(default_factory=Report, description="What the report may show.")


class Metadata(Struct):
    """The Kubernetes object metadata; what is not named here is the API server's to judge."""

    model_config = ConfigDict(extra="allow")

    name: Annotated[str, text(40, 1, NAME_PATTERN, NAME_MEANING)]
    namespace: Annotated[str, text(63, 1, NAME_PATTERN, NAME_MEANING)] = "default"
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class WeakToStrongJob(Struct):
    """A job that turns a weak model and a heap of unlabelled text into a strong specialised model.

    It measures, too, whether that was worth it: against the weak model, against the strong model as it came,
    and against tuning on the expert labels alone.
    """

    rules = (
        Rule(
            cel="size(self.metadata.name) <= 40",
            message="`metadata.name` may have 40 characters: it becomes part of pod names",
            holds=lambda job: len(job.metadata.name) <= 40,
            field="metadata.name",
        ),
        Rule(
            cel=f"self.metadata.name.matches('{NAME_PATTERN}')",
            message=f"`metadata.name` must be {NAME_MEANING}: it becomes part of pod names",
            holds=lambda job: re.fullmatch(NAME_PATTERN, job.metadata.name) is not None,
            field="metadata.name",
        ),
    )

    api_version: Literal["w2s.dev/v1alpha1"]
    kind: Literal["WeakToStrongJob"]
    metadata: Metadata
    spec: Spec
    status: dict[str, Any] | None = None
