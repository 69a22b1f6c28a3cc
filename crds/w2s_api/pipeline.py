"""The one place that knows which stages a spec means, in what order, and what each depends on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from w2s_api.arms import ARMS, LearnsFrom, arms_of, on_frozen_model
from w2s_api.families import family_of
from w2s_api.keys import canonical, stage_key
from w2s_api.names import StageKind
from w2s_api.spec.base import Struct
from w2s_api.spec.job import Spec
from w2s_api.spec.strong import Strong
from w2s_api.spec.tuning import Training
from w2s_api.spec.weak import Aggregation, Labeler
from w2s_api.stage import Read, Role, Stage

__all__ = ["FIRST_SEED", "METHOD_VERSIONS", "Read", "Stage", "needs_gold", "pipeline"]

METHOD_VERSIONS: Mapping[str, int] = {
    "prepare": 2,
    "Classifier": 2,
    "Finetuned": 2,
    "Prompted": 1,
    "Functions": 2,
    "Temperature": 1,
    "WeightedAverage": 1,
    "Confidence": 1,
    "Head": 2,
    "LoRA": 1,
    "Full": 1,
    "CrossEntropy": 1,
    "Product": 1,
    "LogConf": 1,
    "ZeroShot": 1,
    "evaluate": 2,
    "promote": 1,
}
"""A method whose results change for the same settings gets the next number, and its work is done anew."""


@dataclass
class _Builder:
    stages: dict[str, Stage] = field(default_factory=dict)

    def add(
        self,
        name: str,
        kind: StageKind,
        inputs: Mapping[str, Any],
        methods: list[str],
        roles: Mapping[Role, tuple[str, ...]] | None = None,
        **more: Any,
    ) -> None:
        versions = {method: METHOD_VERSIONS[method] for method in sorted(methods)}
        stage = Stage(name, kind, roles or {}, canonical(inputs), versions, key="", **more)
        needs = [(need, self.stages[need].key) for need in stage.needs]
        self.stages[name] = replace(stage, key=stage_key(kind, stage.inputs, versions, needs))

    def names(self, kind: StageKind) -> tuple[str, ...]:
        """The stages of a kind so far."""
        return tuple(name for name, stage in self.stages.items() if stage.kind == kind)


def pipeline(spec: Spec) -> tuple[Stage, ...]:
    """The stages of a spec, each after those it needs. Pure."""
    build = _Builder()
    task, data, weak, strong, evaluation = spec.task, spec.data, spec.weak, spec.strong, spec.evaluation
    labels = family_of(task).label_inputs(task)

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
            **labels,
            "data": _settings(data, without={"gold_budget", *(_DIVISION if data.test else ())}),
            "weak.labelers[].classifier.trainedOn.data": seen or None,
        },
        ["prepare"],
        always_runs=True,
        reads=tuple(Read(uri, "data") for uri in sources),
    )

    budget = {"data.goldBudget": data.gold_budget}
    seeds = {"evaluation.seeds": _unless_default(evaluation, "seeds")}
    for labeler in weak.labelers:
        build.add(
            f"label-{labeler.name}",
            "label",
            {
                **(family_of(task).question_inputs(task) if labeler.prompted else labels),
                "weak.labelers[]": _labeler_settings(labeler),
                **({**budget, **seeds} if needs_gold(labeler) else {}),
            },
            _labeler_methods(labeler),
            {"examples": ("prepare",)},
            reads=_models(labeler),
            shards=labeler.shards,
            labeler=labeler.name,
        )
    opinions = build.names("label")

    build.add(
        "aggregate",
        "aggregate",
        {
            "aggregation": _settings(spec.aggregation, without={"weighted_average"}),
            "aggregation.weightedAverage.weights": _weights(spec.aggregation),
        },
        [spec.aggregation.type],
        {"examples": ("prepare",), "opinions": opinions},
    )
    build.add(
        "select",
        "select",
        {"selection": spec.selection},
        sorted({step.type for step in spec.selection.steps}),
        {"examples": ("prepare",), "labels": ("aggregate",)},
    )

    _add_training(build, spec, labels)
    students = build.names("train")
    published = next(name for name in students if name in ("train", f"train-strong-{FIRST_SEED}"))
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
        {
            "examples": ("prepare",),
            "opinions": opinions,
            "labels": ("aggregate",),
            "selection": ("select",),
            "students": students,
        },
        always_runs=True,
    )
    build.add(
        "promote",
        "promote",
        {"promotion": spec.promotion},
        ["promote"],
        {"student": (published,), "results": ("evaluate",)},
        always_runs=True,
        reads=(Read(strong.model.uri, "model"),),
    )
    return tuple(build.stages.values())


def _add_training(build: _Builder, spec: Spec, labels: Mapping[str, Any]) -> None:
    """Heads of all arms share one process and one pass over the texts; deeper tuning has one an arm and seed."""
    strong, evaluation, budget = spec.strong, spec.evaluation, {"data.goldBudget": spec.data.gold_budget}
    seeds = {"evaluation.seeds": _unless_default(evaluation, "seeds")}
    model = (Read(strong.model.uri, "model"),)
    deep = strong.tuning.type != "Head"
    on_frozen = {arm.control for arm in ARMS.values() if on_frozen_model(arm, deep)}
    frozen = on_frozen.intersection(evaluation.controls)
    if not family_of(spec.task).has_zero_shot:
        frozen -= {"ZeroShot"}
    ceiling = evaluation.ceiling and not deep
    if frozen or not deep:
        build.add(
            "train-frozen" if deep else "train",
            "train",
            {
                **(family_of(spec.task).question_inputs(spec.task) if "ZeroShot" in frozen else labels),
                "strong": _frozen_settings(strong),
                "evaluation.controls": sorted(frozen),
                "evaluation.ceiling": ceiling or None,
                **(budget if "GoldOnly" in frozen else {}),
                **(seeds if "GoldOnly" in frozen or ceiling else {}),
            },
            ["Head", "CrossEntropy", *(["ZeroShot"] if "ZeroShot" in frozen else [])],
            _TRAINING_ROLES[LearnsFrom.SELECTED_LABELS],
            reads=model,
        )
    if not deep:
        return
    settings: dict[str, Any] = {
        **labels,
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
                _TRAINING_ROLES[arm.learns_from],
                reads=model,
                processes="PerGPU",
                arm=arm.name,
                seed=seed,
            )


_EXAMPLES: Mapping[Role, tuple[str, ...]] = {"examples": ("prepare",)}
_TRAINING_ROLES: Mapping[LearnsFrom, Mapping[Role, tuple[str, ...]]] = {
    LearnsFrom.SELECTED_LABELS: {**_EXAMPLES, "labels": ("aggregate",), "selection": ("select",)},
    LearnsFrom.ALL_LABELS: {**_EXAMPLES, "labels": ("aggregate",)},
    LearnsFrom.GOLD_BUDGET: _EXAMPLES,
    LearnsFrom.GOLD_POOL: {**_EXAMPLES, "selection": ("select",)},
}
"""What an arm learns from is read from these; of the selection, the ceiling needs the number of rows."""


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
