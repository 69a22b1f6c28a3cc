"""What every arm of a job answers, read from the artifacts of its students."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.arms import ARMS, arms_of
from w2s_api.input_template import PASSAGES
from w2s_trainer.contract.context import StageContext
from w2s_trainer.data.inputs import fields_beside
from w2s_trainer.families import family_of
from w2s_trainer.families.gold_test import ArmAnswers
from w2s_trainer.stages.evaluate.compare import Arms
from w2s_trainer.stages.evaluate.passages import AskedAgain
from w2s_trainer.stages.evaluate.predictions import (
    cascade_answers,
    self_trained_answers,
    stacked,
    weak_answers,
)
from w2s_trainer.stages.evaluate.summaries import of_rounds
from w2s_trainer.stages.tables import Examples, read_asked_again, read_labels, read_predictions
from w2s_trainer.stages.train.predictions import CUT_OFF
from w2s_trainer.store.artifacts import Artifact


def arms_of_job(
    context: StageContext, examples: Examples, rows: NDArray[np.int64], trained_on: dict[str, int]
) -> Arms:
    """What every arm answers about some rows, int64[n], by seed; the curve of `gold-only` beside it.

    Args:
        context: of the stage.
        examples: of the job.
        rows: that are asked about, ascending.
        trained_on: how many examples each arm learnt from.
    """
    family = family_of(context.spec)
    labels = read_labels(context.artifact("labels"), examples, context.scratch, family.label_column)
    predictions = _predictions(context, examples, rows, family.label_column)
    cut_off = _predictions(context, examples, rows, CUT_OFF)
    weak = weak_answers(labels, rows, examples.rows("pool"), family)
    curve = {size: stacked(by_seed) for (arm, size), by_seed in predictions.items() if arm == "gold-only"}
    by_arm = {"weak": weak}
    for arm in (arm.name for arm in ARMS.values()):
        # Of one seed the largest: the curve of `gold-only` has several, another arm may have another size a seed.
        sizes = sorted(size for name, size in predictions if name == arm)
        if by_seed := {seed: p for size in sizes for seed, p in predictions[arm, size].items()}:
            values = stacked(by_seed)
            cut = {seed: c for size in sizes for seed, c in cut_off.get((arm, size), {}).items()}
            by_arm[arm] = ArmAnswers(
                values, np.zeros(values.shape[:2], dtype=bool), stacked(cut) if cut else None
            )
    if any(arm.name == "cascade" for arm in arms_of(context.spec)):
        by_arm["cascade"] = cascade_answers(weak, by_arm["strong"])
    if rounds := of_rounds(context):
        by_arm["self-trained"] = self_trained_answers(
            by_arm["combined"],
            {arm.round: by_arm[arm.name] for arm in ARMS.values() if arm.round and arm.name in by_arm},
            {int(seed): last for seed, last in rounds["accepted"].items()},
        )
    if "unfinished" in by_arm:
        trained_on = {**trained_on, "unfinished": trained_on["strong"]}
    return Arms({name: by_arm[name] for name in ARMS if name in by_arm}, curve, trained_on)


def asked_again(
    context: StageContext, examples: Examples, rows: NDArray[np.int64], trained_on: dict[str, int]
) -> AskedAgain:
    """What was written about the rows of the test, int64[n], that were asked again with their oracle alone."""
    again, found = read_asked_again(context.artifact("examples"), examples, context.scratch)
    alone = examples.rows("oracle")
    return AskedAgain(
        np.searchsorted(rows, again),
        found,
        arms_of_job(context, examples, alone, trained_on).answers,
        fields_beside(examples.texts.take(alone))[PASSAGES],
    )


def _predictions(
    context: StageContext, examples: Examples, rows: NDArray[np.int64], column: str
) -> dict[tuple[str, int], dict[int, NDArray[Any]]]:
    """A column of what all students and the combination say of some rows, by (arm, size) and seed."""
    predictions: dict[tuple[str, int], dict[int, NDArray[Any]]] = {}
    last, has_unfinished = finished(context), ARMS["unfinished"].absent(context.spec) is None
    for artifact in [*trained(context), *last, *combined(context)]:
        read = read_predictions(artifact, rows, examples, context.scratch, column)
        for (arm, size), by_seed in read.items():
            if arm == "strong" and last and artifact not in last:
                if not has_unfinished:
                    continue
                arm = "unfinished"
            predictions.setdefault((arm, size), {}).update(by_seed)
    return predictions


def trained(context: StageContext) -> list[Artifact]:
    """The artifacts of all students, heads first."""
    return context.artifacts("students")


def combined(context: StageContext) -> list[Artifact]:
    """The artifact of the combination, if there is one."""
    return context.artifacts("combination") if "combination" in context.job.stage.roles else []


def finished(context: StageContext) -> list[Artifact]:
    """The artifacts of the students that the last step of the finish made; none where there are no steps."""
    last = len(context.spec.strong.finish.steps) - 1
    step_of = {stage.name: stage.step for stage in context.job.stages}
    names = context.job.stage.roles.get("finish", ())
    return [context.needs[name] for name in names if step_of[name] == last]
