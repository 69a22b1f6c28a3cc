"""One arm and seed, tuned by LoRA or in full, in a process of its own that can be interrupted at any time."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.arms import ARMS, LearnsFrom, is_on_gold
from w2s_api.families import FAMILIES
from w2s_api.spec.job import Spec
from w2s_trainer.contract.context import StageContext, StageResult
from w2s_trainer.families import family_of
from w2s_trainer.stages.session import Recipe, Tuned, save_student, tune_student
from w2s_trainer.stages.tables import Examples, read_examples, unread
from w2s_trainer.stages.train.arms import epochs_on_gold
from w2s_trainer.stages.train.predictions import Predictions, asked_by, asked_rows
from w2s_trainer.stages.train.sets import TrainingSets
from w2s_trainer.tuning.training_set import TrainingSet

STUDENT = "student.safetensors"


def tune_arm(context: StageContext) -> StageResult:
    """Tunes the arm's student, or several on more and more gold labels; writes what they answer."""
    arm, seed = context.job.stage.arm, context.job.stage.seed
    assert arm is not None
    assert seed is not None
    strong = context.spec.strong
    examples = read_examples(context.artifact("examples"), context.scratch)
    recipe = Recipe.of_strong(strong, on_gold=is_on_gold(ARMS[arm]))
    asked = asked_rows(context.spec, arm, examples)
    predictions = Predictions(examples, family_of(context.spec).label_column, asked)
    sets = list(TrainingSets(context, examples).of(ARMS[arm], seed))
    # Of students on more and more labels, all but the last are points of a curve that is measured on the test alone.
    of_curve = examples.rows("test")
    done = [
        _tune_and_ask(
            context,
            _on(data, recipe, context, examples),
            examples,
            data,
            predictions,
            asked if data is sets[-1] else of_curve,
        )
        for data in sets
    ]
    predictions.write(context.output / "predictions.parquet")

    summary = {
        "arm": arm,
        "seed": seed,
        "arms": sorted(done[-1].answered),
        "examples": {arm: max(student.figures["size"] for student in done)},
        "truncated": done[-1].truncated,
        "unreadable": done[-1].unreadable,
        "trained": [student.figures for student in done],
        "tuning": strong.tuning.type,
        "loss": type(recipe.loss).__name__,
        "model": context.model.name,
        **asked_by(done[-1].prompt),
    }
    last = done[-1].figures
    figures = {name: last[name] for name in ("texts", "steps", "seconds", "lastLoss")}
    if "privacy" in last:
        figures["epsilon"] = last["privacy"]["epsilon"]
    return StageResult(summary, figures | unread(done[-1].unreadable))


def _on(data: TrainingSet, recipe: Recipe, context: StageContext, examples: Examples) -> Recipe:
    """The recipe for a training set: on the gold budget students that write train for longer."""
    arm = ARMS[context.job.stage.arm or ""]
    if arm.learns_from is not LearnsFrom.GOLD_BUDGET or not FAMILIES[context.spec.task.type].writes:
        return recipe
    epochs = epochs_on_gold(recipe.training.epochs, len(data), len(examples.rows("pool")))
    return replace(recipe, training=recipe.training.model_copy(update={"epochs": epochs}))


@dataclass(frozen=True)
class _Done:
    """What is left of a student once it has answered: one at a time is held in memory."""

    figures: dict[str, Any]
    """What its training took, as JSON."""
    answered: list[str]
    """The arms it answered for."""
    truncated: int
    """Texts of the questions that were cut."""
    unreadable: int
    """Those of which the student could read nothing."""
    prompt: Mapping[str, Any] | None
    """How it was asked, where it was."""


def _tune_and_ask(
    context: StageContext,
    recipe: Recipe,
    examples: Examples,
    data: TrainingSet,
    predictions: Predictions,
    rows: NDArray[np.int64],
) -> _Done:
    arm, seed = context.job.stage.arm, context.job.stage.seed
    assert arm is not None
    assert seed is not None
    kept = data.part(data.weights > 0)
    texts = examples.texts.take(kept.rows)
    tuned = tune_student(context, recipe, texts, kept, name=str(len(data)), seed=seed)
    student = tuned.student
    asked = examples.texts.take(rows)
    family = family_of(context.spec)
    tokens = family.student_tokens(student, asked, recipe.max_tokens)
    tokens.require_some(context.model.name)
    if caution := tokens.caution(context.model.name):
        context.progress.note(caution)
    answering = _answering(arm, tuned)
    for name, state in answering:
        if state:
            student.load(state)
        answers = family.student_answers(
            student,
            asked,
            tokens,
            max_tokens=recipe.max_tokens,
            batch_tokens=recipe.batch_tokens,
            progress=partial(context.progress, "asking"),
        )
        predictions.add(name, seed, len(data), answers.values, answers.probability, answers.cut_off, rows)
    if arm in _kept(context.spec):
        save_student(student, context.output / STUDENT)
    figures = {"size": len(data), **tuned.figures, "collapsed": _collapsed(context, tuned)}
    return _Done(
        figures, [name for name, _ in answering], tokens.truncated, len(tokens.unreadable), answers.prompt
    )


def _kept(spec: Spec) -> tuple[str, ...]:
    """The arms whose students are published: of several on more and more labels, the last."""
    if family_of(spec).is_joined_by_choice and ARMS["combined"].absent(spec) is None:
        return ("strong", "gold-only")
    return ("strong",)


def _answering(arm: str, tuned: Tuned) -> list[tuple[str, Any]]:
    """Who is asked: with weak validation the student at the end of its schedule first, then the best one."""
    if tuned.best is None:
        return [(arm, None)]
    return [*([("full-schedule", None)] if arm == "strong" else []), (arm, tuned.best)]


def _collapsed(context: StageContext, tuned: Tuned) -> list[dict[str, Any]]:
    family = family_of(context.spec)
    alarms = [family.alarm(alarm) for alarm in tuned.alarms]
    for _, words in alarms:
        context.progress.note(words)
    return [figures for figures, _ in alarms]
