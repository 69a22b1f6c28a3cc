"""Step `Prune`: weights, blocks or neurons of the model before are taken away, without training (`tuning.pruning`)."""

import math
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.adaptation_steps import Prune
from w2s_api.methods.tunings import Full
from w2s_trainer.contract.context import StageContext
from w2s_trainer.errors import BadData, BadSpec
from w2s_trainer.models.causal import is_causal
from w2s_trainer.models.folder import CONFIG
from w2s_trainer.models.loading import CAUSAL, MASKED, skeleton
from w2s_trainer.models.ragged import Ragged
from w2s_trainer.stages.adapt.methods import Before
from w2s_trainer.stages.adapt.packed import check_block_tokens, packed
from w2s_trainer.stages.adapt.texts import SEED, PretrainingTexts, check_corpora, pretraining_texts
from w2s_trainer.stages.adapt.written import write_made
from w2s_trainer.stages.columns import taken
from w2s_trainer.tuning.block_walk import batches_of, cannot_be_pruned
from w2s_trainer.tuning.language_model import LanguageModel, load_language_model
from w2s_trainer.tuning.language_objective import Checks, HeldOutBlocks, LanguageObjective
from w2s_trainer.tuning.loop import HELD_OUT_BATCHES
from w2s_trainer.tuning.pruning import check_prunable, parameters_of, prune

_MASKED = 0.15
"""Share of the tokens that an encoder is asked to fill in where its loss is measured."""
_NEAR = 1e-3
"""How far the loss of the files may be from that of the model in memory, of it."""
_SOURCES = ("pool", "corpora")


def adapt(context: StageContext, settings: Prune) -> dict[str, Any]:
    """Prunes the model before, writes it, reads it again, and measures both on held-out texts.

    Raises:
        BadData: there are too few texts.
        BadSpec: the model cannot be pruned like that.
        OwnFault: memory ran out.
    """
    began = time.monotonic()
    name, batch_tokens = context.model.name, context.spec.strong.batch_tokens
    model = load_language_model(context.model.directory, tuning=Full(), name=name)
    check_prunable(model.inner, settings, name)
    check_block_tokens(model, settings.block_tokens, name)
    read = pretraining_texts(context, settings)
    learnt = _by_source(model, read, read.learnt, settings)
    held_out = _by_source(model, read, read.held_out, settings)
    _check_size(learnt, read)
    measured = HELD_OUT_BATCHES * batch_tokens
    before, size = _losses(model, held_out, name, measured), parameters_of(model.inner)
    batches = [
        batch for blocks in learnt.values() for batch in batches_of(blocks, batch_tokens, model.device)
    ]
    figures = prune(model.inner, settings, name, batches, context.progress)
    in_memory = _losses(model, held_out, name, measured)
    model.inner.config.use_cache = True
    write_made(model.inner, context.model.directory, context.output)
    device, objective = model.device, "next token" if model.causal else "masked tokens"
    del model, batches
    made = _read_again(context, name)
    after = _losses(made, held_out, name, measured)
    _check_same(in_memory, after, name)
    return {
        "objective": objective,
        **{source: read.counts[source] for source in _SOURCES if source in read.counts},
        "calibration": {source: len(blocks) for source, blocks in learnt.items()},
        "heldOutBlocks": {source: len(blocks) for source, blocks in held_out.items()},
        **figures,
        "parametersBefore": size,
        "parametersAfter": parameters_of(made.inner),
        "zeros": sum(one["zeros"] for one in figures["layers"]),
        **_told(before, after, held_out),
        "device": device,
        "seconds": round(time.monotonic() - began, 1),
    }


def check(before: Before, settings: Prune) -> None:
    """The corpora are read at their first rows; of a model on this machine its shapes are looked at."""
    check_corpora(before.spec.data, settings.corpora, before.objects, before.cache)
    directory = before.directory(before.model)
    if directory is None or not (directory / CONFIG).is_file():
        return
    assert before.model is not None
    role = CAUSAL if is_causal(directory) else MASKED
    check_prunable(skeleton(directory, before.model, role), settings, before.model)


def _read_again(context: StageContext, name: str) -> LanguageModel:
    try:
        return load_language_model(context.output, tuning=Full(), name=name)
    except BadSpec as error:
        raise cannot_be_pruned(name, f"its files cannot be read again ({error.message})") from error


def _by_source(
    model: LanguageModel, read: PretrainingTexts, rows: NDArray[np.int64], settings: Prune
) -> dict[str, Ragged]:
    """Blocks of the pool's texts and of the corpora's, as many of each at most, in an order that is drawn."""
    of_pool = rows < read.counts.get("pool", 0)
    sources = {"pool": rows[of_pool], "corpora": rows[~of_pool]}
    sources = {source: places for source, places in sources.items() if len(places)}
    found = {}
    for source, places in sources.items():
        most = max(1, settings.calibration_blocks // len(sources))
        drawn = np.random.default_rng(SEED).permutation(places)
        blocks = packed(model, taken(read.texts, drawn), settings.block_tokens, most)
        if len(blocks):
            found[source] = blocks
    return found


def _check_size(learnt: dict[str, Ragged], read: PretrainingTexts) -> None:
    if not learnt:
        raise BadData(
            "NothingToCalibrateOn",
            f"{len(read.learnt):,} texts make no block of two tokens to calibrate the pruning on.",
            "Add texts to `data.unlabeled`, or name `corpora`.",
        )


def _losses(
    model: LanguageModel, held_out: dict[str, Ragged], name: str, batch_tokens: int
) -> dict[str, float]:
    """The mean loss of a token, by source."""
    question, checks = model.question(_MASKED, name), Checks()

    def of(blocks: Ragged) -> float:
        objective = LanguageObjective(blocks, question, steps=1, seed=SEED, checks=checks)
        return HeldOutBlocks(blocks, question, objective=objective, checks=checks).measure(
            model, batch_tokens
        )

    found = {source: of(blocks) for source, blocks in held_out.items()}
    model.model.eval()
    return found


def _check_same(in_memory: dict[str, float], written: dict[str, float], name: str) -> None:
    """What is loaded from the files must be what was pruned: an architecture may count its blocks in more than one way."""
    for source, loss in in_memory.items():
        if not math.isclose(loss, written[source], rel_tol=_NEAR):
            raise cannot_be_pruned(
                name,
                f"read again from its files it has another loss ({written[source]:.4f}) than in memory ({loss:.4f}), so its"
                " config does not say how it is put together",
            )


def _told(before: dict[str, float], after: dict[str, float], held_out: dict[str, Ragged]) -> dict[str, Any]:
    tokens = {source: int(blocks.lengths.sum()) for source, blocks in held_out.items()}
    first, last = (
        sum(losses[source] * count for source, count in tokens.items()) / sum(tokens.values())
        for losses in (before, after)
    )
    return {
        "lossBefore": round(first, 5),
        "lossAfter": round(last, 5),
        "perplexityBefore": round(math.exp(min(first, 700.0)), 3),
        "perplexityAfter": round(math.exp(min(last, 700.0)), 3),
        "losses": [
            {"source": source, "before": round(before[source], 5), "after": round(after[source], 5)}
            for source in tokens
        ],
    }
