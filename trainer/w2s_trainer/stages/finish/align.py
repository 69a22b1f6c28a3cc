"""Step `Align`: training on preferences (`tuning.preference_objective`), by the house's own loop."""

import time
from typing import Any

import numpy as np
import torch

from w2s_api.methods.finish_steps import Align
from w2s_trainer.contract.context import StageContext
from w2s_trainer.families import family_of
from w2s_trainer.stages.finish.before import load_student_before
from w2s_trainer.stages.finish.pairs import PreferencePairs, preference_pairs
from w2s_trainer.stages.session import common_checkpoint
from w2s_trainer.stages.tables import Examples
from w2s_trainer.store.checkpoints import Checkpoints
from w2s_trainer.tuning.energy import EnergyMeter
from w2s_trainer.tuning.keeper import StoreKeeper, unfit
from w2s_trainer.tuning.loop import HELD_OUT_BATCHES, Schedule, tune
from w2s_trainer.tuning.numerics import NumericSettings, agree_on_numerics
from w2s_trainer.tuning.precision import precision_of
from w2s_trainer.tuning.preference_objective import Pairs, PreferenceLoss, PreferenceObjective
from w2s_trainer.tuning.stop import StopRequest
from w2s_trainer.tuning.world import World

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
    world, note, training = World.join(), context.progress.note, settings.training
    home = context.store.home_uri(context.job.stage.kind, context.key)
    checkpoints = Checkpoints(context.objects, home, TRAINING, unfit=unfit, note=note, saved=context.headway)
    checkpoint = common_checkpoint(checkpoints, context.scratch / "checkpoints", world)
    if checkpoint:
        numbers = NumericSettings(checkpoint.meta["precision"], checkpoint.meta["threads"])
        note(f"going on from step {checkpoint.step}")
    else:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        proposed = NumericSettings(precision_of(device), torch.get_num_threads())
        numbers = world.broadcast_object(
            agree_on_numerics(context.objects, home, proposed) if world.leads else proposed
        )
    torch.set_num_threads(numbers.threads)

    began, meter = time.monotonic(), EnergyMeter()
    student = load_student_before(
        context,
        numbers.precision,
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
    with StopRequest() as stop:
        state = tune(
            student,
            PreferenceObjective(learnt, loss),
            schedule_of(settings, student.tuning.rate, batch_tokens, seed),
            keeper=StoreKeeper(
                checkpoints,
                checkpoint,
                interval=training.checkpoint_interval_seconds,
                staging=context.scratch,
                precision=numbers.precision,
                threads=numbers.threads,
                note=note,
            ),
            stop=stop,
            world=world,
            progress=context.progress,
            spent=time.monotonic() - began,
        )
    after = held_out.figures(held_out.measured(student, HELD_OUT_BATCHES * batch_tokens), loss)
    joules = None if checkpoint else meter.joules()
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


def schedule_of(settings: Align, rate: float, batch_tokens: int, seed: int) -> Schedule:
    """The schedule of a step, in numbers; `rate` is that of the tuning."""
    training = settings.training
    return Schedule(
        epochs=training.epochs,
        batch_size=training.batch_size,
        learning_rate=RATE * rate if settings.learning_rate is None else float(settings.learning_rate),
        shape=training.schedule,
        warmup_fraction=float(training.warmup_fraction),
        weight_decay=float(training.weight_decay),
        gradient_clipping=float(training.gradient_clipping),
        batch_tokens=batch_tokens,
        seed=seed,
    )


def _read(
    context: StageContext, student: Any, examples: Examples, pairs: PreferencePairs, chosen: Any
) -> Pairs:
    """Some of the pairs, bool[n], as the student reads them."""
    places = np.flatnonzero(chosen).tolist()
    texts = examples.texts.take(np.concatenate([pairs.rows[places]] * 2))
    answers = [side[place] for side in (pairs.preferred, pairs.other) for place in places]
    max_tokens = context.spec.strong.max_tokens
    return Pairs(family_of(context.spec).completions(student, texts, answers, max_tokens=max_tokens))
