"""Step `Align`: training on preferences (`tuning.preference_objective`), by the house's own loop."""

import time
from typing import Any

import numpy as np

from w2s_api.methods.finish_steps import Align
from w2s_trainer.contract.context import StageContext
from w2s_trainer.families import family_of
from w2s_trainer.stages.finish.before import load_student_before
from w2s_trainer.stages.finish.pairs import PreferencePairs, preference_pairs
from w2s_trainer.stages.resumable import ResumableTraining, schedule_of
from w2s_trainer.stages.tables import Examples
from w2s_trainer.tuning.energy import EnergyMeter
from w2s_trainer.tuning.loop import HELD_OUT_BATCHES
from w2s_trainer.tuning.preference_objective import Pairs, PreferenceLoss, PreferenceObjective
from w2s_trainer.tuning.stop import StopRequest

TRAINING = "preferences"
"""What its checkpoints are called."""
RATE = 0.1
"""Of the learning rate of the tuning, where none is given."""


def finish(context: StageContext, settings: Align, examples: Examples) -> tuple[Any, dict[str, Any]]:
    """Trains the student before on pairs of the gold budget.

    Raises:
        BadData: there are too few pairs.
        BadSpec: training went where numbers end.
        Stopped: it was asked to stop, and what was done is saved.
    """
    seed = context.job.stage.seed
    assert seed is not None
    given = preference_pairs(context, examples, float(settings.held_out_fraction), seed)
    run, training = ResumableTraining.open(context, TRAINING), settings.training
    began, meter = time.monotonic(), EnergyMeter()
    student = load_student_before(
        context,
        run.numbers.precision,
        dropout=float(training.dropout),
        gradient_checkpointing=training.gradient_checkpointing,
    )
    batch_tokens = context.spec.strong.batch_tokens
    learnt, held_out = (
        _read(context, student, examples, given, chosen) for chosen in (~given.held_out, given.held_out)
    )
    for pairs in (learnt, held_out):
        pairs.reference = pairs.measured(student, HELD_OUT_BATCHES * batch_tokens)
    loss = PreferenceLoss(settings.method, settings.strength, settings.gap)
    before = held_out.figures(held_out.reference, loss)
    rate = RATE * student.tuning.rate if settings.learning_rate is None else float(settings.learning_rate)
    with StopRequest() as stop:
        state = run.tune(
            student,
            PreferenceObjective(learnt, loss),
            schedule_of(training, learning_rate=rate, batch_tokens=batch_tokens, seed=seed),
            interval=training.checkpoint_interval_seconds,
            stop=stop,
            spent=time.monotonic() - began,
        )
    after = held_out.figures(held_out.measured(student, HELD_OUT_BATCHES * batch_tokens), loss)
    joules = None if run.checkpoint else meter.joules()
    return student, {
        "pairs": len(learnt),
        "heldOutPairs": len(held_out),
        "steps": state.step,
        "accuracyBefore": before["accuracy"],
        "accuracy": after["accuracy"],
        "rewardAccuracy": after["rewardAccuracy"],
        "lossBefore": before["loss"],
        "lossAfter": after["loss"],
        "firstLoss": round(float(np.mean(state.losses[:5])), 5),
        "lastLoss": round(float(np.mean(state.losses[-5:])), 5),
        "precision": student.precision,
        "device": student.device,
        "seconds": round(state.seconds, 1),
        "joules": None if joules is None else round(joules),
    }


def _read(
    context: StageContext, student: Any, examples: Examples, pairs: PreferencePairs, chosen: Any
) -> Pairs:
    """Some of the pairs, bool[n], as the student reads them."""
    places = np.flatnonzero(chosen).tolist()
    texts = examples.texts.take(np.concatenate([pairs.rows[places]] * 2))
    answers = [side[place] for side in (pairs.preferred, pairs.other) for place in places]
    max_tokens = context.spec.strong.max_tokens
    return Pairs(family_of(context.spec).completions(student, texts, answers, max_tokens=max_tokens))
