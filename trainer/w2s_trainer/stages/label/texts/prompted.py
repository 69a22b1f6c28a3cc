"""Labeler `Prompted` where texts are written: a causal model is asked and writes, once or several times."""

import json
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.labelers import Prompted
from w2s_api.pipeline import FIRST_SEED
from w2s_api.spec.task import Task
from w2s_api.spec.weak import Labeler
from w2s_trainer.contract.context import StageContext
from w2s_trainer.families.generation.reading import read_by, tokens_of
from w2s_trainer.families.generation.writing import decoding_for, layout_for, prompt_record
from w2s_trainer.models.causal import load_causal
from w2s_trainer.models.decoding import Decoding
from w2s_trainer.stages.label.methods import Published
from w2s_trainer.stages.label.opinion import Opinion, place_to_publish
from w2s_trainer.stages.label.saved_answers import SavedAnswers, collect_unsaved
from w2s_trainer.stages.label.texts.shown import shown_texts
from w2s_trainer.stages.label.texts.top_tokens import collect_top_tokens
from w2s_trainer.stages.label.texts.written import chosen, opinion_of, write_and_save
from w2s_trainer.stages.tables import EVERY_SEED, Examples, WeakLabels

_SHOWN = "shown.json"
"""What `answer` needs beside the model: the shots, which are texts of the gold budget."""


def opinions(
    context: StageContext, labeler: Labeler, examples: Examples, rows: NDArray[np.int64]
) -> dict[int, Opinion]:
    """Asks the model and returns what it writes.

    Raises:
        BadSpec: it is no causal model, or reads less than a prompt, its shots and what may be written after it; or
            the budget has fewer texts than shots.
        OwnFault: memory ran out.
        Stopped: the process was asked to stop; the next run goes on from there.
    """
    settings: Prompted = labeler.settings
    task, name = context.spec.task, context.model.name
    model = load_causal(context.model.directory, name)
    shown = shown_texts(context, labeler, settings.shots, examples)
    texts = examples.texts.take(rows)
    tokens = tokens_of(model.tokenizer, task, texts, settings.max_tokens)
    tokens.require_some(name)
    if caution := tokens.caution(name):
        context.progress.note(caution)
    truncated, unreadable = tokens.truncated, len(tokens.unreadable)
    del tokens  # they are as large as those of the prompts
    read = read_by(model, task, texts, settings.max_tokens)
    collect = SavedAnswers(context, rows, {"device": model.device})
    by_seed = {}
    for seed, shots in shown.items():
        asked = shots.read(read_by(model, task, shots.texts, settings.max_tokens)) if shots.answers else []
        layout = layout_for(model.tokenizer, task, asked)
        name = "every-seed" if seed == EVERY_SEED else f"seed-{seed}"
        written = write_and_save(
            collect,
            name,
            model,
            layout,
            read,
            _decoding(task, settings, seed),
            labeler.batch_tokens,
            partial(context.progress, "asking the model"),
        )
        if place := place_to_publish(context, seed):
            (place / _SHOWN).write_text(json.dumps({"shots": asked}, ensure_ascii=False), encoding="utf-8")
        top = None
        if settings.top_k:
            top = collect_top_tokens(
                collect,
                name,
                model,
                layout,
                read,
                chosen(written, settings.agreement)[0],
                settings.top_k,
                labeler.batch_tokens,
                partial(context.progress, "reading what was written"),
            )
        by_seed[seed] = opinion_of(
            written,
            settings.agreement,
            truncated=truncated,
            unreadable=unreadable,
            figures={"prompt": prompt_record(layout, task)},
            shown=shots.rows,
            top=top,
        )
    return by_seed


def answer(labeler: Labeler, texts: Sequence[str], published: Published) -> WeakLabels:
    """What the model writes, shown the shots of the first seed; none where it is cut off."""
    settings: Prompted = labeler.settings
    task, uri = published.family.task, settings.model.uri
    shown = json.loads((published.directory / _SHOWN).read_text(encoding="utf-8"))
    model = load_causal(published.models(uri), uri)
    layout = layout_for(model.tokenizer, task, [(text, said) for text, said in shown["shots"]])
    read = read_by(model, task, texts, settings.max_tokens)
    decoding = _decoding(task, settings, FIRST_SEED if settings.shots else EVERY_SEED)
    written = write_and_save(
        collect_unsaved,
        "published",
        model,
        layout,
        read,
        decoding,
        labeler.batch_tokens,
        lambda _done, _total: None,
    )
    said, _ = chosen(written, settings.agreement)
    return WeakLabels(said, np.asarray(said == ""))


def _decoding(task: Task, settings: Prompted, seed: int) -> Decoding:
    """Of a seed; what is the same for every seed is drawn by that of the first."""
    plain = decoding_for(task)
    return Decoding(
        plain.max_new_tokens,
        plain.stop,
        float(settings.temperature),
        settings.samples,
        max(seed, FIRST_SEED),
    )
