"""The one place that knows which stages a spec means, in what order, and what each depends on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from w2s_api.arms import ARMS, LearnsFrom, arms_of, on_frozen_model
from w2s_api.keys import canonical, stage_key
from w2s_api.names import StageKind
from w2s_api.spec.base import Struct
from w2s_api.spec.job import Spec
from w2s_api.spec.strong import Strong
from w2s_api.spec.tuning import Training
from w2s_api.spec.weak import Aggregation, Labeler

METHOD_VERSIONS: Mapping[str, int] = {
    "prepare": 1,
    "Classifier": 1,
    "Finetuned": 2,
    "Prompted": 1,
    "Functions": 1,
    "Temperature": 1,
    "WeightedAverage": 1,
    "Confidence": 1,
    "Head": 2,
    "LoRA": 1,
    "Full": 1,
    "CrossEntropy": 1,
    "Product": 1,
    "LogConf": 1,
    "Untouched": 1,
    "evaluate": 2,
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
    arm: str | None = None
    """The arm that a `train` stage tunes beyond a head, in one process for each seed."""
    seed: int | None = None
    """Its seed."""


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
        build.add(
            f"label-{labeler.name}",
            "label",
            {
                **(_question(spec) if labeler.prompted else {"task.classes": classes}),
                "weak.labelers[]": _labeler_settings(labeler),
                **({**budget, **seeds} if needs_gold(labeler) else {}),
            },
            _labeler_methods(labeler),
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

    _add_training(build, spec, classes)
    trained = tuple(name for name, stage in build.stages.items() if stage.kind == "train")
    published = f"train-strong-{FIRST_SEED}" if f"train-strong-{FIRST_SEED}" in trained else "train"
    build.add(
        "evaluate",
        "evaluate",
        {
            "task": task,
            "evaluation": _settings(evaluation, without={"credentials_secret_ref"}),
            "promotion": _settings(spec.promotion, without={"publish"}),
            "report": spec.report,
            "weak.labelers[].classifier.trainedOn.type": {
                labeler.name: labeler.classifier.trained_on.type
                for labeler in weak.labelers
                if labeler.classifier and labeler.classifier.trained_on.type != "Unknown"
            },
        },
        ["evaluate"],
        needs=("prepare", *labels, "aggregate", "select", *trained),
    )
    build.add(
        "promote",
        "promote",
        {"promotion": spec.promotion},
        ["promote"],
        needs=(published, "evaluate"),
        reads=(Read(strong.model.uri, "model"),),
    )
    return tuple(build.stages.values())


def _add_training(build: _Builder, spec: Spec, classes: list[str]) -> None:
    """Heads of all arms share one process and one pass over the texts; deeper tuning has one an arm and seed."""
    strong, evaluation, budget = spec.strong, spec.evaluation, {"data.goldBudget": spec.data.gold_budget}
    seeds = {"evaluation.seeds": _unless_default(evaluation, "seeds")}
    model = (Read(strong.model.uri, "model"),)
    deep = strong.tuning.type != "Head"
    on_frozen = {arm.control for arm in ARMS.values() if on_frozen_model(arm, deep)}
    frozen = on_frozen.intersection(evaluation.controls)
    ceiling = evaluation.ceiling and not deep
    if frozen or not deep:
        build.add(
            "train-frozen" if deep else "train",
            "train",
            {
                **(_question(spec) if "Untouched" in frozen else {"task.classes": classes}),
                "strong": _frozen_settings(strong),
                "evaluation.controls": sorted(frozen),
                "evaluation.ceiling": ceiling or None,
                **(budget if "Direct" in frozen else {}),
                **(seeds if "Direct" in frozen or ceiling else {}),
            },
            ["Head", "CrossEntropy", *(["Untouched"] if "Untouched" in frozen else [])],
            needs=("prepare", "aggregate", "select"),
            reads=model,
        )
    if not deep:
        return
    settings: dict[str, Any] = {
        "task.classes": classes,
        "strong": {
            **_settings(strong, without={"batch_tokens", "training"}),
            "training": _schedule(strong.training),
        },
    }
    # The loss and the stopping rule are for weak labels: gold labels are taken at their word, to the end.
    on_gold = {
        **settings,
        "strong": {
            **settings["strong"],
            "loss": None,
            "training": _schedule(strong.training, without={"stopping"}),
        },
    }
    for arm in arms_of(spec):
        if arm.learns_from is None or on_frozen_model(arm, deep):
            continue
        gold = arm.learns_from.is_gold
        inputs = {
            **(on_gold if gold else settings),
            **(budget if arm.learns_from is LearnsFrom.GOLD_BUDGET else {}),
        }
        loss = "CrossEntropy" if gold else strong.loss.type
        for seed in range(FIRST_SEED, FIRST_SEED + evaluation.seeds):
            build.add(
                f"train-{arm.name}-{seed}",
                "train",
                {**inputs, "arm": arm.name, "seed": seed},
                [strong.tuning.type, "Head", loss],
                needs=_TRAINING_NEEDS[arm.learns_from],
                reads=model,
                arm=arm.name,
                seed=seed,
            )


_TRAINING_NEEDS = {
    LearnsFrom.SELECTED_LABELS: ("prepare", "aggregate", "select"),
    LearnsFrom.ALL_LABELS: ("prepare", "aggregate"),
    LearnsFrom.GOLD_BUDGET: ("prepare",),
    LearnsFrom.GOLD_POOL: ("prepare", "select"),
}
"""Which artifacts hold what an arm learns from; of `select`, the ceiling needs the number of rows."""


FIRST_SEED = 0
"""The seed whose student is published: fixed beforehand, for choosing one on the test would be tuning on it."""


_DIVISION = ("test_fraction", "split_seed")
"""How gold is divided, if no test is given."""


def _settings(struct: Struct, without: set[str]) -> dict[str, Any]:
    return struct.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=without)


def _labeler_settings(labeler: Labeler) -> dict[str, Any]:
    settings = _settings(labeler, without={"name", "shards", "batch_tokens"})
    if labeler.finetuned and labeler.finetuned.training:
        settings["finetuned"]["training"] = _schedule(labeler.finetuned.training)
    if labeler.classifier:
        settings["classifier"].pop("trainedOn", None)  # it decides what leaves the test, not the labels
        settings["classifier"]["labels"] = {
            label.model_label: label.class_name
            for label in labeler.classifier.labels
            if label.model_label != label.class_name
        }
    return settings


def needs_gold(labeler: Labeler) -> bool:
    """Whether a labeler reads expert labels of the budget, so that it says something else for each seed."""
    asked = labeler.prompted
    return (
        labeler.type == "Finetuned"
        or labeler.calibration != "None"
        or (asked is not None and (asked.shots > 0 or asked.prior == "Gold"))
    )


def _labeler_methods(labeler: Labeler) -> list[str]:
    methods: list[str] = [labeler.type]
    if labeler.finetuned:
        methods += {"Head", labeler.finetuned.tuning.type}
    if labeler.calibration != "None":
        methods.append(labeler.calibration)
    return methods


def _question(spec: Spec) -> dict[str, Any]:
    """What a model reads of the task when it is asked."""
    return {"task.classes": spec.task.classes, "task.instruction": spec.task.instruction or None}


def _frozen_settings(strong: Strong) -> dict[str, Any]:
    """What a head on the frozen model depends on, whatever is tuned beside it."""
    return {
        "model": strong.model,
        "maxTokens": _unless_default(strong, "max_tokens"),
        "tuning": {"head": strong.tuning.head},
        "loss": {"crossEntropy": strong.loss.cross_entropy},
    }


def _schedule(training: Training | None, without: Iterable[str] = ()) -> dict[str, Any] | None:
    """What training depends on; how it is saved and where its activations are does not change its results."""
    not_results = {"gradient_checkpointing", "checkpoint_interval_seconds"}
    return _settings(training, without=not_results | set(without)) if training else None


def _weights(aggregation: Aggregation) -> dict[str, str]:
    average = aggregation.weighted_average
    return (
        {given.labeler: given.weight for given in average.weights if given.weight != "1"} if average else {}
    )


def _unless_default(struct: Struct, name: str) -> Any:
    value = getattr(struct, name)
    return None if value == type(struct).model_fields[name].get_default(call_default_factory=True) else value


def _models(labeler: Labeler) -> tuple[Read, ...]:
    settings = labeler.classifier or labeler.finetuned or labeler.prompted
    return (Read(settings.model.uri, "model"),) if settings else ()
