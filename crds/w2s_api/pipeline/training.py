"""The stages that train students: `train`, `train-…`."""

from typing import Any

from w2s_api.arms import ARMS, LearnsFrom, arms_of, on_frozen_model
from w2s_api.families import family_of
from w2s_api.methods.losses import CrossEntropy
from w2s_api.methods.tunings import Head
from w2s_api.pipeline.builder import FIRST_SEED, Builder
from w2s_api.pipeline.inputs import (
    TRAINING_ROLES,
    frozen_settings,
    settings_of,
    taught_inputs,
    unless_default,
)
from w2s_api.spec.job import Spec
from w2s_api.stage import ModelReference


def add_training(build: Builder, spec: Spec, model: ModelReference) -> None:
    """Heads of all arms share one process and one pass over the texts; deeper tuning has one an arm and seed."""
    strong, evaluation, budget = spec.strong, spec.evaluation, {"data.goldBudget": spec.data.gold_budget}
    seeds = {"evaluation.seeds": unless_default(evaluation, "seeds")}
    deep = not strong.tuning.settings.on_frozen_model
    on_frozen = {arm.control for arm in ARMS.values() if on_frozen_model(arm, deep)}
    frozen = on_frozen.intersection(evaluation.controls)
    family = family_of(spec.task)
    labels = family.label_inputs(spec.task)
    if not family.has_zero_shot:
        frozen -= {"ZeroShot"}
    if not family.has_heads:
        frozen -= {"Head"}
    ceiling = evaluation.ceiling and not deep
    if frozen and not family.has_heads:
        build.add(
            "train-frozen",
            "train",
            {
                **family.question_inputs(spec.task),
                "strong": {"model": strong.model, "maxTokens": unless_default(strong, "max_tokens")},
            },
            ["ZeroShot"],
            build.examples,
            model=model,
        )
    elif frozen or not deep:
        build.add(
            "train-frozen" if deep else "train",
            "train",
            {
                **(family.question_inputs(spec.task) if "ZeroShot" in frozen else labels),
                "strong": frozen_settings(strong),
                "evaluation.controls": sorted(frozen),
                "evaluation.ceiling": ceiling or None,
                **(budget if "GoldOnly" in frozen else {}),
                **(seeds if "GoldOnly" in frozen or ceiling else {}),
            },
            [Head, CrossEntropy, *(["ZeroShot"] if "ZeroShot" in frozen else [])],
            {**build.examples, **TRAINING_ROLES[LearnsFrom.SELECTED_LABELS]},
            model=model,
        )
    if not deep:
        _add_unadapted_heads(build, spec)
        return
    settings: dict[str, Any] = {
        **taught_inputs(spec.task),
        "strong": {
            **settings_of(
                strong, without={"adaptation", "batch_tokens", "finish", "tuning", "loss", "training"}
            ),
            "tuning": strong.tuning.result_settings(),
            "loss": strong.loss.result_settings(),
            "training": strong.training.result_settings() if strong.training else None,
        },
    }
    # Loss, stopping rule and order are for weak labels: gold labels are taken at their word, to the end.
    on_gold = {
        **settings,
        "strong": {
            **settings["strong"],
            "loss": None,
            "training": (
                strong.training.result_settings(without=strong.training.of_weak_labels)
                if strong.training
                else None
            ),
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
        loss = CrossEntropy if gold else strong.loss.method
        roles = TRAINING_ROLES[arm.learns_from]
        if strong.loss.settings.reads_opinions and not gold:
            roles = {**roles, "opinions": build.names("label")}
        is_added_up = family.has_heads and ARMS["combined"].absent(spec) is None
        asked = ["PoolSample"] if arm.name == "strong" and is_added_up else []
        of_budget = arm.learns_from is LearnsFrom.GOLD_BUDGET and family.writes
        longer = ["GoldSchedule"] if of_budget else []
        for seed in range(FIRST_SEED, FIRST_SEED + evaluation.seeds):
            build.add(
                f"train-{arm.name}-{seed}",
                "train",
                {**inputs, "arm": arm.name, "seed": seed},
                [strong.tuning.method, *strong.tuning.settings.uses(), Head, loss, *asked, *longer],
                {**build.examples, **roles},
                model=ModelReference(uri=strong.model.uri) if arm.unadapted else model,
                processes="PerGPU",
                arm=arm.name,
                seed=seed,
            )


def _add_unadapted_heads(build: Builder, spec: Spec) -> None:
    """The head of the arm `unadapted`: it reads the texts by another model than all others, in a process of its own."""
    arm = ARMS["unadapted"]
    if arm.absent(spec):
        return
    build.add(
        f"train-{arm.name}",
        "train",
        {
            **family_of(spec.task).label_inputs(spec.task),
            "strong": frozen_settings(spec.strong),
            "arm": arm.name,
        },
        [Head, CrossEntropy],
        {**build.examples, **TRAINING_ROLES[LearnsFrom.SELECTED_LABELS]},
        model=ModelReference(uri=spec.strong.model.uri),
        arm=arm.name,
    )
