"""What the `train` stages of a job say together: who was trained on what, and what it took. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from w2s_api.spec.base import Struct
from w2s_api.spec.strong import Strong

Summary = Mapping[str, Any]


def training_summary(summaries: Iterable[Summary]) -> dict[str, Any]:
    """Joins the summaries of the heads, if there are any, and of each gradient-tuned arm and seed into one.

    Args:
        summaries: of the `train` artifacts, the heads first.
    """
    summaries = list(summaries)
    heads = [summary for summary in summaries if "seed" not in summary]
    tuned = [summary for summary in summaries if "seed" in summary]
    student = next((summary for summary in tuned if summary["arm"] == "strong"), None) or heads[0]
    examples: dict[str, int] = {}
    for summary in summaries:
        for arm, size in summary["examples"].items():
            examples[arm] = max(size, examples.get(arm, 0))
        if "full-schedule" in summary["arms"]:
            examples["full-schedule"] = examples["strong"]
    return {
        **{
            name: value
            for head in heads
            if "arm" not in head
            for name, value in head.items()
            if name not in ("arms", "examples")
        },
        **{
            head["arm"]: {"seconds": head["seconds"], "features": head["features"], "model": head["model"]}
            for head in heads
            if "arm" in head
        },
        "model": student["model"],
        "tuning": student["tuning"],
        "loss": student.get("loss", "CrossEntropy"),
        "truncated": max(summary["truncated"] for summary in summaries),
        "unreadable": max(summary.get("unreadable", 0) for summary in summaries),
        "examples": examples,
        "costs": [*_costs_of_heads(heads), *_costs_of_tuned(tuned)],
        "collapsed": [
            {"arm": summary["arm"], "seed": summary["seed"], **alarm}
            for summary in tuned
            for alarm in summary["trained"][-1]["collapsed"]
        ],
        "trained": [
            {"arm": summary["arm"], "seed": summary["seed"], **training}
            for summary in tuned
            for training in summary["trained"]
        ],
    }


def _costs_of_heads(heads: list[Summary]) -> list[dict[str, Any]]:
    """A head costs the reading of all texts, once for all of them, and its own fit."""
    costs = []
    for head in heads:
        read = head["seconds"]["reading"]
        for arm, fits in head["seconds"]["fitting"].items():
            costs.append(_cost(arm, "Head", len(fits), read + sum(fits) / len(fits), read + sum(fits), None))
    return costs


def _costs_of_tuned(tuned: list[Summary]) -> list[dict[str, Any]]:
    costs = []
    for arm in dict.fromkeys(summary["arm"] for summary in tuned):
        of_arm = [summary for summary in tuned if summary["arm"] == arm]
        largest = [summary["trained"][-1] for summary in of_arm]
        joules = [training["joules"] for training in largest]
        costs.append(
            _cost(
                arm,
                of_arm[0]["tuning"],
                len(of_arm),
                sum(training["seconds"] for training in largest) / len(of_arm),
                sum(training["seconds"] for summary in of_arm for training in summary["trained"]),
                None if None in joules else sum(joules) / len(joules),
            )
        )
    return costs


def _cost(
    arm: str, tuning: str, students: int, seconds_each: float, seconds_in_all: float, joules: float | None
) -> dict[str, Any]:
    return {
        "arm": arm,
        "tuning": tuning,
        "students": students,
        "secondsEach": round(seconds_each, 1),
        "secondsInAll": round(seconds_in_all, 1),
        "joulesEach": None if joules is None else round(joules),
    }


def student_settings(strong: Strong) -> dict[str, Any]:
    """Says how the manifest wants students trained, defaults filled in; None where a part does not apply."""
    tuning, loss = strong.tuning, strong.loss
    gradient_tuned = not tuning.settings.on_frozen_model
    training = strong.schedule if gradient_tuned else None
    stopping = training.stopping if training else None
    return {
        "tuning": tuning.type,
        "l2": tuning.head_settings.l2,
        "maxTokens": strong.max_tokens,
        "settings": _dumped(tuning.settings) if gradient_tuned else None,
        "loss": {"type": loss.type, **_dumped(loss.settings)},
        "schedule": training
        and _dumped(
            training,
            without={
                "stopping",
                "privacy",
                "early_termination",
                "gradient_checkpointing",
                "checkpoint_interval_seconds",
            },
        ),
        **({"privacy": _dumped(training.privacy)} if training and training.privacy else {}),
        "stopping": stopping
        and {
            "type": stopping.type,
            **(_dumped(stopping.validation) if stopping.type == "WeakValidation" else {}),
        },
    }


def _dumped(struct: Struct, without: set[str] | None = None) -> dict[str, Any]:
    return struct.model_dump(mode="json", by_alias=True, exclude=without)
