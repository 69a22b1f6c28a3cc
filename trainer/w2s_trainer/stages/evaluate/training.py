"""What the `train` stages of a job say together: who was trained on what, and what it took. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from w2s_api.methods.tunings import Head
from w2s_api.spec.base import Struct
from w2s_api.spec.strong import Strong
from w2s_api.spec.tuning import Training, WeakValidation

Summary = Mapping[str, Any]


def training_summary(summaries: Iterable[Summary]) -> dict[str, Any]:
    """One summary of the heads, if there are any, and of each arm and seed that was tuned deeper.

    Args:
        summaries: of the `train` artifacts, the heads first.
    """
    given = list(summaries)
    heads = [one for one in given if "seed" not in one]
    tuned = [one for one in given if "seed" in one]
    student = next((one for one in tuned if one["arm"] == "strong"), None) or heads[0]
    examples: dict[str, int] = {}
    for one in given:
        for arm, size in one["examples"].items():
            examples[arm] = max(size, examples.get(arm, 0))
        if "full-schedule" in one["arms"]:
            examples["full-schedule"] = examples["strong"]
    return {
        **{name: value for one in heads for name, value in one.items() if name not in ("arms", "examples")},
        "model": student["model"],
        "tuning": student["tuning"],
        "loss": student.get("loss", "CrossEntropy"),
        "truncated": max(one["truncated"] for one in given),
        "unreadable": max(one.get("unreadable", 0) for one in given),
        "examples": examples,
        "costs": [*_costs_of_heads(heads), *_costs_of_tuned(tuned)],
        "collapsed": [
            {"arm": one["arm"], "seed": one["seed"], **what}
            for one in tuned
            for what in one["trained"][-1]["collapsed"]
        ],
        "trained": [
            {"arm": one["arm"], "seed": one["seed"], **training}
            for one in tuned
            for training in one["trained"]
        ],
    }


def _costs_of_heads(heads: list[Summary]) -> list[dict[str, Any]]:
    """A head costs the reading of all texts, once for all of them, and its own fit."""
    found = []
    for one in heads:
        read = one["seconds"]["reading"]
        for arm, fits in one["seconds"]["fitting"].items():
            found.append(_cost(arm, "Head", len(fits), read + sum(fits) / len(fits), read + sum(fits), None))
    return found


def _costs_of_tuned(tuned: list[Summary]) -> list[dict[str, Any]]:
    found = []
    for arm in dict.fromkeys(one["arm"] for one in tuned):
        mine = [one for one in tuned if one["arm"] == arm]
        largest = [one["trained"][-1] for one in mine]
        joules = [one["joules"] for one in largest]
        found.append(
            _cost(
                arm,
                mine[0]["tuning"],
                len(mine),
                sum(one["seconds"] for one in largest) / len(mine),
                sum(training["seconds"] for one in mine for training in one["trained"]),
                None if None in joules else sum(joules) / len(joules),
            )
        )
    return found


def _cost(
    arm: str, tuning: str, students: int, each: float, all_: float, joules: float | None
) -> dict[str, Any]:
    return {
        "arm": arm,
        "tuning": tuning,
        "students": students,
        "secondsEach": round(each, 1),
        "secondsInAll": round(all_, 1),
        "joulesEach": None if joules is None else round(joules),
    }


def student_settings(strong: Strong) -> dict[str, Any]:
    """How the manifest wants students to be trained, defaults filled in; None where a part does not apply."""
    tuning, loss = strong.tuning, strong.loss
    deep = not tuning.settings.on_frozen_model
    training = (strong.training or Training()) if deep else None
    stopping = training.stopping if training else None
    return {
        "tuning": tuning.type,
        "l2": (tuning.head or Head()).l2,
        "maxTokens": strong.max_tokens,
        "settings": _dumped(tuning.settings) if deep else None,
        "loss": {"type": loss.type, **_dumped(loss.settings)},
        "schedule": training
        and _dumped(training, without={"stopping", "gradient_checkpointing", "checkpoint_interval_seconds"}),
        "stopping": stopping
        and {
            "type": stopping.type,
            **(
                _dumped(stopping.weak_validation or WeakValidation())
                if stopping.type == "WeakValidation"
                else {}
            ),
        },
    }


def _dumped(struct: Struct, without: set[str] | None = None) -> dict[str, Any]:
    return struct.model_dump(mode="json", by_alias=True, exclude=without)
