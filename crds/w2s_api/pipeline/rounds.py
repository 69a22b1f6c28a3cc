"""The stages of self-training: `round-2`, `round-3`, …."""

from collections.abc import Mapping

from w2s_api.arms import ARMS
from w2s_api.families import family_of
from w2s_api.methods.losses import CrossEntropy
from w2s_api.methods.tunings import Head
from w2s_api.pipeline.builder import Builder
from w2s_api.pipeline.inputs import frozen_settings, unless_default
from w2s_api.spec.job import Spec
from w2s_api.stage import ModelReference, Role


def add_rounds(build: Builder, spec: Spec, model: ModelReference) -> Mapping[Role, tuple[str, ...]]:
    """A stage for each round of self-training after the first; the role by which all are read, if there are any.

    No key depends on how many follow.
    """
    strong, evaluation = spec.strong, spec.evaluation
    names: list[str] = []
    for arm in ARMS.values():
        if arm.round is None or arm.absent(spec):
            continue
        build.add(
            arm.name,
            "train",
            {
                **family_of(spec.task).question_inputs(spec.task),
                "strong": frozen_settings(strong),
                "data.goldBudget": spec.data.gold_budget,
                "evaluation.seeds": unless_default(evaluation, "seeds"),
                "arm": arm.name,
            },
            ["SelfTraining", "combine", Head, CrossEntropy],
            {
                **build.examples,
                "labels": ("aggregate",),
                "students": ("train",),
                **({"round": (names[-1],)} if names else {}),
            },
            model=model,
            arm=arm.name,
        )
        names.append(arm.name)
    return {"rounds": tuple(names)} if names else {}
