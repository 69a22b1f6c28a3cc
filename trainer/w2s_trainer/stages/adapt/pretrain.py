"""Step `Pretrain`: pretraining goes on, on the pool and on corpora of the domain (Gururangan et al. 2020, arXiv 2004.10964).

The training is the house's own loop: it is saved, stopped and gone on with as that of any student.
"""

import math
import time
from typing import Any

from w2s_api.methods.adaptation_steps import Pretrain
from w2s_trainer.contract.context import StageContext
from w2s_trainer.errors import BadData
from w2s_trainer.models.causal import is_causal
from w2s_trainer.models.loading import CAUSAL, MASKED, check_architecture
from w2s_trainer.models.ragged import Ragged
from w2s_trainer.stages.adapt.methods import Before
from w2s_trainer.stages.adapt.packed import check_block_tokens, packed
from w2s_trainer.stages.adapt.texts import SEED, PretrainingTexts, check_corpora, pretraining_texts
from w2s_trainer.stages.adapt.written import write_made
from w2s_trainer.stages.columns import taken
from w2s_trainer.stages.resumable import ResumableTraining, schedule_of
from w2s_trainer.tuning.energy import EnergyMeter
from w2s_trainer.tuning.language_model import LanguageModel, load_language_model
from w2s_trainer.tuning.language_objective import Checks, HeldOutBlocks, LanguageObjective
from w2s_trainer.tuning.loop import HELD_OUT_BATCHES
from w2s_trainer.tuning.numerics import NumericSettings
from w2s_trainer.tuning.order import Order
from w2s_trainer.tuning.state import TrainingState
from w2s_trainer.tuning.stop import StopRequest

TRAINING = "pretraining"
"""What its checkpoints are called."""


def adapt(context: StageContext, settings: Pretrain) -> dict[str, Any]:
    """Pretrains the model before, and writes it.

    Raises:
        BadData: the texts fill fewer blocks than a step has.
        BadSpec: the model cannot be pretrained, or training went where numbers end.
        Stopped: it was asked to stop, and what was done is saved.
    """
    run = ResumableTraining.open(context, TRAINING)
    model, read = (
        _model(context, settings, run.numbers),
        pretraining_texts(context, settings, float(settings.subset)),
    )
    learnt, held_out = (
        packed(model, taken(read.texts, rows), settings.block_tokens) for rows in (read.learnt, read.held_out)
    )
    training, batch_tokens = settings.training, context.spec.strong.batch_tokens
    _check_size(learnt, held_out, read, settings)
    schedule = schedule_of(
        training,
        learning_rate=settings.tuning.settings.rate,
        batch_tokens=batch_tokens,
        checks=settings.checks,
        seed=SEED,
    )
    question = model.question(float(settings.mask_fraction), context.model.name)
    steps = Order(len(learnt), schedule.batch_size, schedule.epochs, SEED).steps
    checks = Checks()
    objective = LanguageObjective(learnt, question, steps=steps, seed=SEED, checks=checks)
    validation = HeldOutBlocks(held_out, question, objective=objective, checks=checks)
    began, meter = time.monotonic(), EnergyMeter()
    if not run.checkpoint:
        checks.losses.append((0, validation.measure(model, HELD_OUT_BATCHES * batch_tokens)))
    model.make_tunable(SEED)
    with StopRequest() as stop:
        state = run.tune(
            model,
            objective,
            schedule,
            interval=training.checkpoint_interval_seconds,
            validation=validation,
            keep_best=False,
            stop=stop,
            spent=time.monotonic() - began,
        )
    if run.world.leads:
        _write(context, settings, model)
    joules = None if run.checkpoint else meter.joules()
    return {
        **read.counts,
        **_figures(state, model, learnt, held_out, training.epochs),
        **curve(checks.losses),
        "joules": None if joules is None else round(joules),
    }


def check(before: Before, settings: Pretrain) -> None:
    """The corpora are read at their first rows; of a model on this machine the config says whether it can be pretrained."""
    check_corpora(before.spec.data, settings, before.objects, before.cache)
    directory = before.directory(before.model)
    if directory is None or not (directory / "config.json").is_file():
        return
    assert before.model is not None
    check_architecture(directory, before.model, CAUSAL if is_causal(directory) else MASKED)


def curve(losses: list[tuple[int, float]]) -> dict[str, Any]:
    """What the losses on held-out blocks say: before, at the end, and how far they rose meanwhile. Pure.

    The stability gap (Guo et al. 2024, arXiv 2406.14833) is a loss above that before, which later goes away.

    Args:
        losses: (steps done, loss), ascending, that before the first step among them.
    """
    before, after = losses[0][1], losses[-1][1]
    worst_step, worst = max(losses, key=lambda one: one[1])
    gap = None
    if worst > before:
        back = [step for step, loss in losses if step > worst_step and loss <= before]
        gap = {
            "step": worst_step,
            "rise": round(worst - before, 5),
            "recoveredAtStep": back[0] if back else None,
        }
    return {
        "lossBefore": round(before, 5),
        "lossAfter": round(after, 5),
        "perplexityBefore": round(math.exp(min(before, 700.0)), 3),
        "perplexityAfter": round(math.exp(min(after, 700.0)), 3),
        "heldOutLosses": [{"step": step, "loss": round(loss, 5)} for step, loss in losses],
        "stabilityGap": gap,
    }


def _model(context: StageContext, settings: Pretrain, numbers: NumericSettings) -> LanguageModel:
    training = settings.training
    model = load_language_model(
        context.model.directory,
        tuning=settings.tuning.settings,
        name=context.model.name,
        dropout=float(training.dropout),
        precision=numbers.precision,
        gradient_checkpointing=training.gradient_checkpointing,
        frozen_blocks=settings.freeze_blocks,
    )
    check_block_tokens(model, settings.block_tokens, context.model.name)
    return model


def _check_size(learnt: Ragged, held_out: Ragged, read: PretrainingTexts, settings: Pretrain) -> None:
    size = settings.training.batch_size
    if len(learnt) >= size and len(held_out):
        return
    raise BadData(
        "CorpusTooSmall",
        f"{len(read.learnt):,} texts fill {len(learnt):,} blocks of {settings.block_tokens:,} tokens, and a step of the"
        f" training has {size:,}; {len(held_out):,} more are held out.",
        "Add texts (`corpora`), or set `blockTokens` or `training.batchSize` lower.",
    )


def _write(context: StageContext, settings: Pretrain, model: LanguageModel) -> None:
    """Writes the model in float32; adapters are merged into weights of that precision."""
    state = {name: tensor.cpu() for name, tensor in model.state().items()}
    tuning = settings.tuning.settings
    if tuning.keeps_weights and model.precision != "float32":
        model = load_language_model(
            context.model.directory,
            tuning=tuning,
            name=context.model.name,
            precision="float32",
            frozen_blocks=settings.freeze_blocks,
        )
        model.make_tunable(SEED)
        model.load(state)
    made = model.model.merge_and_unload() if tuning.leaves_adapter else model.model
    made.config.use_cache = True
    write_made(made, context.model.directory, context.output)


def _figures(
    state: TrainingState, model: LanguageModel, learnt: Ragged, held_out: Ragged, epochs: int
) -> dict[str, Any]:
    return {
        "objective": "next token" if model.causal else "masked tokens",
        "blocks": len(learnt),
        "heldOutBlocks": len(held_out),
        "tokens": int(learnt.lengths.sum()) * epochs,
        "steps": state.step,
        "seconds": round(state.seconds, 1),
        "precision": model.precision,
        "device": model.device,
        "parameters": sum(parameter.numel() for parameter in model.parameters().values()),
    }
