"""The stages at the end: `evaluate` and `promote`."""

from collections.abc import Mapping
from typing import Any

from w2s_api.arms import candidate_of
from w2s_api.families import family_of
from w2s_api.pipeline.builder import FIRST_SEED, Builder
from w2s_api.pipeline.inputs import settings_of
from w2s_api.spec.job import Spec
from w2s_api.stage import ModelReference, Read, Role

Roles = Mapping[Role, tuple[str, ...]]

_NOT_MEASURED: Mapping[str, Any] = {"credentials_secret_ref": True, "judge": {"batch_tokens"}}
"""What no figure of the evaluation depends on."""


def add_evaluation(build: Builder, spec: Spec, measured: Roles) -> None:
    """Reads everything there is.

    Args:
        build: has all stages before.
        spec: of the job.
        measured: roles beside those that every job has.
    """
    evaluation = spec.evaluation
    build.add(
        "evaluate",
        "evaluate",
        {
            "task": spec.task,
            "evaluation": settings_of(evaluation, without=_NOT_MEASURED),
            "promotion": settings_of(spec.promotion, without={"publish"}),
            "report": spec.report,
            "weak.labelers[].trainedOn.type": {
                labeler.name: elsewhere.type
                for labeler in spec.weak.labelers
                if (elsewhere := labeler.settings.trained_elsewhere()) and elsewhere.type != "Unknown"
            },
        },
        ["evaluate"],
        {
            **build.examples,
            "opinions": build.names("label"),
            "labels": ("aggregate",),
            "selection": ("select",),
            "students": build.names("train"),
            **measured,
            **({"pairs": build.names("synthesise")} if spec.task.passages and spec.synthesis.steps else {}),
            **({"adaptation": build.names("adapt")} if spec.strong.adaptation.steps else {}),
            **({"finish": build.names("finish")} if spec.strong.finish.steps else {}),
        },
        always_runs=True,
        reads=(Read(evaluation.judge.model.uri, "model"),) if evaluation.judge else (),
    )


def add_promotion(
    build: Builder, spec: Spec, model: ModelReference, published: str, combined: Roles, rounds: Roles
) -> None:
    """Publishes what the gate lets through.

    Args:
        build: has all stages before.
        spec: of the job.
        model: the strong model.
        published: the stage that made the student to publish.
        combined: the role of the combination.
        rounds: the role of the rounds of self-training.
    """
    candidate = candidate_of(spec).name
    build.add(
        "promote",
        "promote",
        {"promotion": spec.promotion},
        ["promote"],
        {
            "student": (published,),
            **_gold_student(build, spec),
            **(
                {**combined, "opinions": build.names("label")}
                if candidate in ("combined", "self-trained")
                else {}
            ),
            **(rounds if candidate == "self-trained" else {}),
            "results": ("evaluate",),
        },
        always_runs=True,
        model=model,
    )


def _gold_student(build: Builder, spec: Spec) -> Mapping[Role, tuple[str, ...]]:
    """The student on gold labels of the published seed, where of several texts one is taken and it may have written it."""
    name = f"train-gold-only-{FIRST_SEED}"
    if family_of(spec.task).has_heads or candidate_of(spec).name != "combined" or name not in build.stages:
        return {}
    return {"gold-student": (name,)}
