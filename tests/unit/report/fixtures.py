"""Results as `evaluate` writes them, made by the real comparison on made-up answers."""

from typing import Any

import numpy as np

from w2s_api.arms import ARMS
from w2s_api.spec.strong import Strong
from w2s_api.spec.task import Task
from w2s_trainer.families.classification import Classification
from w2s_trainer.families.classification.report import report_parts
from w2s_trainer.families.classification.words import given_up
from w2s_trainer.families.gold_test import ArmAnswers, GoldTest
from w2s_trainer.report import render as page
from w2s_trainer.report.advice import advice
from w2s_trainer.report.answers import answers
from w2s_trainer.stages.evaluate.compare import Arms, compare, notes
from w2s_trainer.stages.evaluate.error_groups import error_groups
from w2s_trainer.stages.evaluate.gate import apply_gate
from w2s_trainer.stages.evaluate.predictions import cascade_answers
from w2s_trainer.stages.evaluate.training import student_settings

SURE = 0.97


def answering(gold: np.ndarray, accuracy: float, seeds: int, k: int, rng: np.random.Generator) -> ArmAnswers:
    right = rng.random((seeds, len(gold))) < accuracy
    said = np.where(right, gold, (gold + rng.integers(1, k, (seeds, len(gold)))) % k)
    probabilities = np.full((seeds, len(gold), k), (1 - 0.8) / max(1, k - 1))
    np.put_along_axis(probabilities, said[..., None], 0.8, axis=2)
    return ArmAnswers(probabilities, np.zeros((seeds, len(gold)), dtype=bool))


def training(
    tuning: str,
    trained: dict[str, int],
    arms: Any,
    stopped: bool,
    collapsed: tuple[dict[str, Any], ...],
    joules: int | None,
    seconds: tuple[float, float],
) -> dict[str, Any]:
    """The `training` part, as three students of each tuned arm would make it."""
    deep = tuning != "Head"
    tuned = {arm: size for arm, size in trained.items() if deep and arm in arms}
    heads = {"head": 400} if deep and "head" in arms else {} if deep else trained
    to_tune, to_fit = seconds
    figures = {
        "steps": 26,
        "seconds": to_tune,
        "joules": joules,
        "precision": "float32",
        "device": "cpu",
        "parameters": 664_322,
        "firstLoss": 0.61,
        "lastLoss": 0.42,
        "best": {"step": 13, "loss": 0.4} if stopped else None,
        "collapsed": [],
    }
    shared = {"l2": "0.3", "features": {"dimension": 384, "key": "cd" * 16}}
    return {
        **(
            {**shared, "seconds": {"reading": 12.5, "fitting": {arm: [0.2] for arm in heads}}}
            if heads
            else {}
        ),
        "truncated": 77,
        "model": "py://encoder",
        "tuning": tuning,
        "loss": "LogConf" if deep else "CrossEntropy",
        "examples": trained,
        "costs": [
            *({"arm": arm, "tuning": "Head", "students": 1, **paid(to_fit, None, None)} for arm in heads),
            *({"arm": arm, "tuning": tuning, "students": 3, **paid(to_tune, joules, "cpu")} for arm in tuned),
        ],
        "collapsed": list(collapsed),
        "trained": [
            {"arm": arm, "seed": seed, "size": size, "texts": size, **figures}
            for arm, size in tuned.items()
            for seed in range(3)
        ],
        "settings": student_settings(manifest(tuning, stopped)),
    }


def paid(seconds: float, joules: int | None, device: str | None) -> dict[str, Any]:
    return {
        "secondsEach": seconds,
        "secondsInAll": 3 * seconds,
        "joulesEach": joules,
        "secondsToTrain": seconds,
        "parameters": 664_322 if device else 770,
        "device": device,
        "precision": device and "float32",
    }


def manifest(tuning: str, stopped: bool) -> Strong:
    """`spec.strong` of a job."""
    given: dict[str, Any] = {"model": {"uri": "py://encoder"}, "tuning": {"type": tuning}}
    if tuning != "Head":
        given["loss"] = {"type": "LogConf"}
        given["training"] = {"stopping": {"type": "WeakValidation" if stopped else "FixedSchedule"}}
    return Strong.model_validate(given)


def results(
    strong: float = 0.8,
    weak: float = 0.65,
    gold_only: float = 0.72,
    zero_shot: float = 0.6,
    classes: tuple[str, ...] = ("other", "indemnity"),
    positive: str | None = "indemnity",
    seeds: int = 3,
    ceiling: float | None = 0.85,
    coverage: float = 0.7,
    excerpts: Any = None,
    tuning: str = "Head",
    head: float | None = None,
    full_schedule: float | None = None,
    combined: float | None = None,
    collapsed: tuple[dict[str, Any], ...] = (),
    joules: int | None = None,
    seconds: tuple[float, float] = (40.0, 10.0),
    eager_teacher: bool = False,
) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    n, k = 800, len(classes)
    gold = rng.integers(0, k, n)
    teacher = answering(gold, weak, 1, k, rng)
    if eager_teacher:  # it finds nearly all of the last class, and takes many others for it
        eager = rng.random(n) < np.where(gold == k - 1, 0.98, 0.6)
        last = np.where(np.arange(k) == k - 1, 0.8, 0.2 / (k - 1))
        teacher = ArmAnswers(np.where(eager[:, None], last, np.roll(last, 1))[None], teacher.abstain)
    silent = rng.random((1, n)) > coverage
    teacher = ArmAnswers(np.where(silent[..., None], 1 / k, teacher.values), silent)
    student = answering(gold, strong, 1, k, rng)
    arms = {"weak": teacher, "strong": student}
    arms["gold-only"] = answering(gold, gold_only, seeds, k, rng)
    arms["zero-shot"] = answering(gold, zero_shot, 1, k, rng)
    if ceiling:
        arms["ceiling"] = answering(gold, ceiling, seeds, k, rng)
    if head:
        arms["head"] = answering(gold, head, 1, k, rng)
    if full_schedule:
        arms["full-schedule"] = answering(gold, full_schedule, 1, k, rng)
    if combined:
        arms["combined"] = answering(gold, combined, seeds, k, rng)
        arms["students"] = answering(gold, combined - 0.02, seeds, k, rng)
    arms["cascade"] = cascade_answers(teacher, student)
    curve = {
        16: answering(gold, 0.55, seeds, k, rng).values,
        32: answering(gold, 0.62, seeds, k, rng).values,
    }
    curve[64] = arms["gold-only"].values
    task = Task.model_validate({"classes": [{"name": name} for name in classes], "positiveClass": positive})
    test = GoldTest(gold, rng.integers(0, 500, n), "MacroF1", Classification(task))
    trained = {"strong": 400, "gold-only": 64, "ceiling": 400}
    evaluation = compare(
        test, Arms(arms, curve, trained), ARMS["combined" if combined else "strong"], np.random.default_rng(1)
    )
    candidate = arms[evaluation["candidate"]]
    evaluation["errors"] = error_groups(test, rng.integers(20, 4000, n), teacher, candidate)
    evaluation["evaluations"] = 3
    evaluation["notes"] = notes(evaluation, True, 3, given_up(collapsed))
    evaluation["notComputed"] = [
        {"arm": "unfiltered", "why": "not asked for in `evaluation.controls`"},
    ]
    found: dict[str, Any] = {
        "job": {"namespace": "legal", "name": "indemnity"},
        "storage": {"uri": "s3://legal/w2s"},
        "task": {
            "type": "Classification",
            "instruction": "Does this clause indemnify?",
            "classes": [{"name": name, "description": ""} for name in classes],
            "positiveClass": positive,
        },
        "generated": "2026-11-21T04:00:00+00:00",
        "evaluation": evaluation,
        "data": {
            "rows": {"pool": 600, "budget": 90, "test": n},
            "families": {"test": 500, "budget": 80, "pool": 400},
            "removed": {"exactDuplicates": 12, "testFamilies": 34, "seenByTeacher": 0, "unusable": 1},
            "smallestProvableGain": 0.07,
        },
        "labelers": [{"labeler": "rules", "type": "Functions", "calibrated": False}],
        "aggregation": {"covered": 0.71, "classShares": dict.fromkeys(classes, 1 / k)},
        "selection": {
            "steps": [
                {
                    "type": "Confidence",
                    "before": 426,
                    "after": 400,
                    "classesBefore": dict.fromkeys(classes, 426 // k),
                    "classesAfter": dict.fromkeys(classes, 400 // k),
                }
            ],
            "kept": 400,
            "warnings": [],
        },
        "training": training(tuning, trained, arms, full_schedule is not None, collapsed, joules, seconds),
        "promotion": {"metric": "MacroF1", "mustBeat": ["GoldOnly", "Weak"], "minLowerBound": "0"},
        "decision": apply_gate(evaluation, ["GoldOnly", "Weak"], 0.0).to_json(),
        "provenance": {
            "train": {"key": "ab" * 16, "attempt": "1", "seconds": 9.5, "versions": {"torch": "2"}}
        },
        "excerpts": excerpts,
    }
    found["answer"] = answers(found)
    found["advice"] = advice(found)
    return found


def render(found: dict[str, Any]) -> str:
    """The report of a classification."""
    return page.render(found, report_parts(found))
