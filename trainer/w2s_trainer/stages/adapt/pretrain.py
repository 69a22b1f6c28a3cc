"""Step `Pretrain`: pretraining goes on, on the pool and on corpora of the domain (Gururangan et al. 2020, arXiv 2004.10964).

The training is the house's own loop: it is saved, stopped and gone on with as that of any student.
"""

import time
from functools import partial
from typing import Any

from w2s_api.methods.adaptation_steps import Pretrain
from w2s_trainer.contract.context import StageContext
from w2s_trainer.models.causal import is_causal
from w2s_trainer.models.loading import CAUSAL, MASKED, check_architecture
from w2s_trainer.stages.adapt.corpus import Corpus, read_corpus
from w2s_trainer.stages.adapt.curve import curve
from w2s_trainer.stages.adapt.methods import Before
from w2s_trainer.stages.adapt.packed import check_block_tokens
from w2s_trainer.stages.adapt.pilots import Predicted, predict
from w2s_trainer.stages.adapt.pretraining import Pretrained, pretrain
from w2s_trainer.stages.adapt.texts import SEED, check_corpora
from w2s_trainer.stages.adapt.written import write_made
from w2s_trainer.stages.resumable import ResumableTraining
from w2s_trainer.tuning.energy import EnergyMeter
from w2s_trainer.tuning.language_model import LanguageModel, load_language_model
from w2s_trainer.tuning.mixture import replayed
from w2s_trainer.tuning.numerics import NumericSettings

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
    model = _model(context, settings, run.numbers)
    corpus = read_corpus(context, settings, model)
    training = settings.training
    fraction, predicted = float((settings.replay and settings.replay.fraction) or 0), None
    if settings.replay and settings.replay.predict:
        del model  # one at a time
        predicted = predict(
            context, settings, settings.replay.predict, corpus, partial(_model, context, settings)
        )
        fraction, model = predicted.fraction, _model(context, settings, run.numbers)
    order = corpus.order(training.batch_size, training.epochs, fraction)
    began, meter = time.monotonic(), EnergyMeter()
    made = pretrain(
        run,
        model,
        corpus,
        settings,
        order,
        batch_tokens=context.spec.strong.batch_tokens,
        checks=settings.checks,
        began=began,
    )
    if run.world.leads:
        _write(context, settings, model)
    joules = None if run.checkpoint else meter.joules()
    seconds = made.state.seconds + (predicted.seconds if predicted else 0.0)
    return {
        **corpus.counts,
        **_figures(made, model, corpus, training.epochs),
        "seconds": round(seconds, 1),
        **curve(made.domain.losses),
        **_of_replay(made, corpus, training.epochs, fraction, predicted),
        "joules": None if joules is None else round(joules),
    }


def check(before: Before, settings: Pretrain) -> None:
    """The corpora are read at their first rows; of a model on this machine the config says whether it can be pretrained."""
    general = settings.replay.corpora if settings.replay else []
    check_corpora(before.spec.data, [*settings.corpora, *general], before.objects, before.cache)
    directory = before.directory(before.model)
    if directory is None or not (directory / "config.json").is_file():
        return
    assert before.model is not None
    check_architecture(directory, before.model, CAUSAL if is_causal(directory) else MASKED)


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


def _figures(made: Pretrained, model: LanguageModel, corpus: Corpus, epochs: int) -> dict[str, Any]:
    return {
        "objective": "next token" if model.causal else "masked tokens",
        "blocks": len(corpus.domain),
        "heldOutBlocks": len(corpus.held_out),
        "tokens": int(corpus.domain.lengths.sum()) * epochs,
        "steps": made.state.step,
        "precision": model.precision,
        "device": model.device,
        "parameters": sum(parameter.numel() for parameter in model.parameters().values()),
    }


def _of_replay(
    made: Pretrained, corpus: Corpus, epochs: int, fraction: float, predicted: Predicted | None
) -> dict[str, Any]:
    """What was replayed, and what the model knows of general texts before and after."""
    if not made.general.losses:
        return {}
    drawn = replayed(epochs * len(corpus.domain), fraction)
    return {
        "replay": {
            **corpus.replay_counts,
            "fraction": fraction,
            "blocks": len(corpus.replayed),
            "heldOutBlocks": len(corpus.general),
            "drawn": drawn,
            "epochs": round(drawn / len(corpus.replayed), 3),
            **curve(made.general.losses),
            **({"predicted": predicted.figures} if predicted else {}),
        }
    }
