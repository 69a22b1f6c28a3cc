"""One training of a language model on blocks: measured before, meanwhile and at the end, saved and gone on with."""

import time
from dataclasses import dataclass, field

from w2s_api.methods.adaptation_steps import Pretrain
from w2s_trainer.stages.adapt.corpus import Corpus
from w2s_trainer.stages.adapt.texts import SEED
from w2s_trainer.stages.resumable import ResumableTraining, schedule_of
from w2s_trainer.tuning.language_model import LanguageModel
from w2s_trainer.tuning.language_objective import BothHeldOut, Checks, HeldOutBlocks, LanguageObjective
from w2s_trainer.tuning.loop import HELD_OUT_BATCHES
from w2s_trainer.tuning.order import Batches
from w2s_trainer.tuning.retainers import retainer
from w2s_trainer.tuning.state import TrainingState
from w2s_trainer.tuning.stop import StopRequest


@dataclass
class Pretrained:
    """What a training says of itself at its end."""

    state: TrainingState = field(default_factory=TrainingState)
    domain: Checks = field(default_factory=Checks)
    """The losses on held-out blocks of the domain."""
    general: Checks = field(default_factory=Checks)
    """The losses on general ones; none without `replay`."""


def pretrain(
    run: ResumableTraining,
    model: LanguageModel,
    corpus: Corpus,
    settings: Pretrain,
    order: Batches,
    *,
    batch_tokens: int,
    checks: int,
    began: float,
) -> Pretrained:
    """Trains a model to the end of its schedule; what it says of tokens is as `settings` have it.

    Args:
        run: the training, as far as it is.
        model: as it was loaded; changed in place.
        corpus: the blocks.
        settings: of the step.
        order: what each step of the training is made of.
        batch_tokens: tokens of a micro-batch.
        checks: how often the losses on held-out blocks are measured meanwhile.
        began: when the step began, by `time.monotonic`.

    Raises:
        BadSpec: training went where numbers end.
        Stopped: it was asked to stop, and what was done is saved.
    """
    training, made = settings.training, Pretrained()
    schedule = schedule_of(
        training,
        learning_rate=settings.tuning.settings.rate,
        batch_tokens=batch_tokens,
        checks=checks,
        seed=SEED,
    )
    question = model.question(float(settings.mask_fraction), run.context.model.name)
    general = made.general if len(corpus.general) else None
    penalty = (
        retainer(settings.retain.settings).retain(model, settings.retain.settings)
        if settings.retain
        else None
    )
    objective = LanguageObjective(
        corpus.learnt,
        question,
        steps=order.steps,
        seed=SEED,
        checks=made.domain,
        general=general,
        penalty=penalty,
    )
    parts = [HeldOutBlocks(corpus.held_out, question, objective=objective, checks=made.domain)]
    if general:
        parts.append(HeldOutBlocks(corpus.general, question, objective=objective, checks=general))
    if not run.checkpoint:
        for part, measured in zip(parts, (made.domain, made.general), strict=False):
            measured.losses.append((0, part.measure(model, HELD_OUT_BATCHES * batch_tokens)))
    model.make_tunable(SEED)
    with StopRequest() as stop:
        made.state = run.tune(
            model,
            objective,
            schedule,
            interval=training.checkpoint_interval_seconds,
            order=order,
            validation=BothHeldOut(*parts) if general else parts[0],
            keep_best=False,
            stop=stop,
            spent=time.monotonic() - began,
        )
    return made
