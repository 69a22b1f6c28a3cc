"""The stages that make the weak labels: `label-…`, `aggregate`, `select`."""

from collections.abc import Mapping
from typing import Any

from w2s_api.families import family_of
from w2s_api.methods.method import Method
from w2s_api.methods.tunings import Head
from w2s_api.pipeline.builder import Builder
from w2s_api.pipeline.inputs import head_settings, taught_inputs, unless_default
from w2s_api.spec.job import Spec
from w2s_api.spec.task import Task
from w2s_api.spec.weak import Labeler
from w2s_api.stage import ModelReference, Read, Role


def add_labeling(build: Builder, spec: Spec) -> None:
    """A stage for each labeler."""
    task, data, weak, evaluation = spec.task, spec.data, spec.weak, spec.evaluation
    budget = {"data.goldBudget": data.gold_budget}
    seeds = {"evaluation.seeds": unless_default(evaluation, "seeds")}
    for labeler in weak.labelers:
        build.add(
            f"label-{labeler.name}",
            "label",
            {
                **_label_inputs(task, labeler),
                "weak.labelers[]": labeler.result_settings(),
                **({**budget, **seeds} if labeler.sees_gold else {}),
            },
            _labeler_methods(labeler),
            build.examples,
            model=next((ModelReference(uri=uri) for uri in labeler.settings.models()), None),
            shards=labeler.shards,
            labeler=labeler.name,
        )


def add_aggregation(build: Builder, spec: Spec, model: ModelReference) -> None:
    """One label of all labelers' for each text."""
    strong = spec.strong
    settings = spec.aggregation.settings
    on_features = settings.reads_features
    build.add(
        "aggregate",
        "aggregate",
        {
            "aggregation": spec.aggregation.result_settings(),
            **({"strong": head_settings(strong)} if on_features else {}),
            **(family_of(spec.task).question_inputs(spec.task) if settings.asks_question else {}),
        },
        [spec.aggregation.method, *settings.uses()],
        {**build.examples, "opinions": build.names("label")},
        model=model if on_features else None,
        reads=tuple(Read(uri, "model") for uri in dict.fromkeys(settings.models())),
    )


def add_selection(build: Builder, spec: Spec, model: ModelReference) -> None:
    """A selection reads what its steps look at, and nothing else."""
    steps = [step.settings for step in spec.selection.steps]
    sights = {sight for step in steps for sight in step.looks_at}
    roles: dict[Role, tuple[str, ...]] = {**build.examples, "labels": ("aggregate",)}
    inputs: dict[str, Any] = {"selection.steps": [step.result_settings() for step in spec.selection.steps]}
    if "opinions" in sights:
        roles["opinions"] = build.names("label")
    if "students" in sights:
        roles["students"] = build.names("train")
    if "features" in sights:
        inputs["strong"] = {
            "model": spec.strong.model,
            "maxTokens": unless_default(spec.strong, "max_tokens"),
        }
    reads_strong = any(step.reads_strong() for step in steps)
    if reads_strong:
        inputs.setdefault("strong", {"model": spec.strong.model})
    used = [method for step in steps for method in (type(step), *step.uses())]
    if Head in used:
        inputs["strong"]["tuning"] = {"head": spec.strong.tuning.head}
    if any(step.asks_question for step in steps):
        inputs |= family_of(spec.task).question_inputs(spec.task)
    if any(step.sees_gold() for step in steps):
        inputs["data.goldBudget"] = spec.data.gold_budget
        inputs["evaluation.seeds"] = unless_default(spec.evaluation, "seeds")
    asked = dict.fromkeys(uri for step in steps for uri in step.models())
    build.add(
        "select",
        "select",
        inputs,
        used,
        roles,
        model=model if "features" in sights or reads_strong else None,
        reads=tuple(Read(uri, "model") for uri in asked),
    )


def _label_inputs(task: Task, labeler: Labeler) -> Mapping[str, Any]:
    """What of the task a labeler's labels depend on."""
    if labeler.settings.is_asked:
        return family_of(task).question_inputs(task)
    return taught_inputs(task) if labeler.settings.learns_budget else family_of(task).label_inputs(task)


def _labeler_methods(labeler: Labeler) -> list[type[Method] | str]:
    calibration = [] if labeler.calibration == "None" else [labeler.calibration]
    return [labeler.method, *labeler.settings.uses(), *calibration]
