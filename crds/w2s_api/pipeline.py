"""The one place that knows which stages a spec means, in what order, and what each depends on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from w2s_api.keys import canonical, stage_key
from w2s_api.names import StageKind
from w2s_api.spec.base import Struct
from w2s_api.spec.job import Spec
from w2s_api.spec.weak import Aggregation, Labeler

METHOD_VERSIONS: Mapping[str, int] = {
    "prepare": 1,
    "Classifier": 1,
    "Finetuned": 1,
    "Functions": 1,
    "Temperature": 1,
    "WeightedAverage": 1,
    "Confidence": 1,
    "Head": 1,
    "CrossEntropy": 1,
    "evaluate": 1,
    "promote": 1,
}
"""A method whose results change for the same settings gets the next number, and its work is done anew."""


@dataclass(frozen=True)
class Read:
    """Something that a stage reads from outside of the store's artifacts."""

    uri: str
    what: Literal["data", "model"]


@dataclass(frozen=True)
class Stage:
    """One step of the job."""

    name: str
    """What users call it: `prepare`, `label-small`, `train`."""
    kind: StageKind
    needs: tuple[str, ...]
    """Names of the stages whose artifacts it reads."""
    inputs: Mapping[str, Any]
    """The canonical parts of the spec it depends on, by dotted path: what an edit is compared with."""
    methods: Mapping[str, int]
    key: str
    reads: tuple[Read, ...] = ()
    shards: int = 1
    labeler: str | None = None
    """The labeler that a `label` stage runs."""


@dataclass
class _Builder:
    stages: dict[str, Stage] = field(default_factory=dict)

    def add(
        self,
        name: str,
        kind: StageKind,
        inputs: Mapping[str, Any],
        methods: list[str],
        needs: tuple[str, ...] = (),
        **more: Any,
    ) -> None:
        given = canonical(inputs)
        versions = {method: METHOD_VERSIONS[method] for method in sorted(methods)}
        key = stage_key(kind, given, versions, [(need, self.stages[need].key) for need in needs])
        self.stages[name] = Stage(name, kind, needs, given, versions, key, **more)


def pipeline(spec: Spec) -> tuple[Stage, ...]:
    """The stages of a spec, each after those it needs. Pure."""
    build = _Builder()
    task, data, weak, strong, evaluation = spec.task, spec.data, spec.weak, spec.strong, spec.evaluation
    classes = list(task.class_names)

    seen = sorted(
        {
            source.uri
            for labeler in weak.labelers
            if labeler.classifier
            for source in labeler.classifier.trained_on.data or ()
        }
    )
    sources = [data.unlabeled.uri, data.gold.uri, *([data.test.uri] if data.test else []), *seen]
    build.add(
        "prepare",
        "prepare",
        {
            "task.classes": classes,
            "data": _settings(data, without={"gold_budget", *(_DIVISION if data.test else ())}),
            "weak.labelers[].classifier.trainedOn.data": seen or None,
        },
        ["prepare"],
        reads=tuple(Read(uri, "data") for uri in sources),
    )

    budget = {"data.goldBudget": data.gold_budget}
    seeds = {"evaluation.seeds": _unless_default(evaluation, "seeds")}
    for labeler in weak.labelers:
        needs_gold = labeler.type == "Finetuned" or labeler.calibration != "None"
        build.add(
            f"label-{labeler.name}",
            "label",
            {
                "task.classes": classes,
                "weak.labelers[]": _labeler_settings(labeler),
                **({**budget, **seeds} if needs_gold else {}),
            },
            [labeler.type, *([labeler.calibration] if labeler.calibration != "None" else [])],
            needs=("prepare",),
            reads=_models(labeler),
            shards=labeler.shards,
            labeler=labeler.name,
        )
    labels = tuple(f"label-{labeler.name}" for labeler in weak.labelers)

    build.add(
        "aggregate",
        "aggregate",
        {
            "aggregation": _settings(spec.aggregation, without={"weighted_average"}),
            "aggregation.weightedAverage.weights": _weights(spec.aggregation),
        },
        [spec.aggregation.type],
        needs=("prepare", *labels),
    )
    build.add(
        "select",
        "select",
        {"selection": spec.selection},
        sorted({step.type for step in spec.selection.steps}),
        needs=("prepare", "aggregate"),
    )

    trained = sorted(set(evaluation.controls) - {"Cascade"})
    build.add(
        "train",
        "train",
        {
            "task.classes": task.classes if "Untouched" in trained else classes,
            "strong": _settings(strong, without={"batch_tokens"}),
            "evaluation.controls": trained,
            "evaluation.ceiling": _unless_default(evaluation, "ceiling"),
            **(budget if "Direct" in trained else {}),
            **(seeds if "Direct" in trained or evaluation.ceiling else {}),
        },
        [strong.tuning.type, strong.loss.type],
        needs=("prepare", "aggregate", "select"),
        reads=(Read(strong.model.uri, "model"),),
    )
    build.add(
        "evaluate",
        "evaluate",
        {
            "task": task,
            "evaluation": evaluation,
            "promotion": spec.promotion,
            "report": spec.report,
            "weak.labelers[].classifier.trainedOn.type": {
                labeler.name: labeler.classifier.trained_on.type
                for labeler in weak.labelers
                if labeler.classifier and labeler.classifier.trained_on.type != "Unknown"
            },
        },
        ["evaluate"],
        needs=("prepare", *labels, "aggregate", "select", "train"),
    )
    build.add(
        "promote",
        "promote",
        {"promotion": spec.promotion},
        ["promote"],
        needs=("train", "evaluate"),
        reads=(Read(strong.model.uri, "model"),),
    )
    return tuple(build.stages.values())


_DIVISION = ("test_fraction", "split_seed")
"""How gold is divided, if no test is given."""


def _settings(struct: Struct, without: set[str]) -> dict[str, Any]:
    return struct.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=without)


def _labeler_settings(labeler: Labeler) -> dict[str, Any]:
    settings = _settings(labeler, without={"name", "shards", "batch_tokens"})
    if labeler.classifier:
        settings["classifier"].pop("trainedOn", None)  # it decides what leaves the test, not the labels
        settings["classifier"]["labels"] = {
            label.model_label: label.class_name
            for label in labeler.classifier.labels
            if label.model_label != label.class_name
        }
    return settings


def _weights(aggregation: Aggregation) -> dict[str, str]:
    average = aggregation.weighted_average
    return (
        {given.labeler: given.weight for given in average.weights if given.weight != "1"} if average else {}
    )


def _unless_default(struct: Struct, name: str) -> Any:
    value = getattr(struct, name)
    return None if value == type(struct).model_fields[name].get_default(call_default_factory=True) else value


def _models(labeler: Labeler) -> tuple[Read, ...]:
    settings = labeler.classifier or labeler.finetuned
    return (Read(settings.model.uri, "model"),) if settings else ()
