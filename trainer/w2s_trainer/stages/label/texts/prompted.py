"""Labeler `Prompted` where texts are written: a causal model is asked and writes, once or several times."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from w2s_api.methods.labelers import Prompted
from w2s_api.pipeline import FIRST_SEED
from w2s_api.spec.task import Task
from w2s_api.spec.weak import Labeler
from w2s_trainer.contract.context import StageContext
from w2s_trainer.families.generation.reading import read_by, tokens_of
from w2s_trainer.families.generation.writing import decoding_for, layout_for, prompt_record
from w2s_trainer.models.causal import CausalModel, load_causal
from w2s_trainer.models.decoding import Decoding
from w2s_trainer.models.encoder import load_encoder
from w2s_trainer.models.generating import Written
from w2s_trainer.models.layouts import LayoutOfEach, Layouts
from w2s_trainer.stages.label.methods import Published
from w2s_trainer.stages.label.nearest import Neighbours
from w2s_trainer.stages.label.opinion import Opinion, place_to_publish
from w2s_trainer.stages.label.saved_answers import Collect, SavedAnswers, collect_unsaved
from w2s_trainer.stages.label.texts.reasoned import reasoning_layout, write_reasoned
from w2s_trainer.stages.label.texts.shown import nearest_texts, shown_texts
from w2s_trainer.stages.label.texts.top_tokens import collect_top_tokens
from w2s_trainer.stages.label.texts.written import chosen, opinion_of, write_and_save
from w2s_trainer.stages.tables import EVERY_SEED, Examples, WeakLabels

_SHOWN, _NEIGHBOURS = "shown.json", "neighbours.safetensors"
"""What `answer` needs beside the model: the shots, which are texts of the gold budget, and of nearest ones where they are
among other texts."""

Shown = Sequence[tuple[str, str]]
"""What a model reads of some texts, and what an expert wrote about each."""


@dataclass(frozen=True)
class _Asking:
    """A model that is asked as a labeler's settings say."""

    model: CausalModel
    task: Task
    labeler: Labeler
    collect: Collect
    progress: Callable[[str, int, int], None] = lambda _phase, _done, _total: None

    @property
    def settings(self) -> Prompted:
        """Of the labeler."""
        settings: Prompted = self.labeler.settings
        return settings

    def layouts(self, shots: Shown, nearest: NDArray[np.int64] | None) -> Layouts:
        """Of the prompts with all shots, or with those at the places of each text, int64[n, s]."""
        if nearest is None:
            return layout_for(self.model.tokenizer, self.task, shots)
        return LayoutOfEach(
            lambda row: layout_for(self.model.tokenizer, self.task, [shots[at] for at in nearest[row]]),
            np.arange(len(nearest)),
        )

    def write(self, name: str, seed: int, texts: Sequence[str], layout: Layouts) -> Written:
        """What it writes about n texts, cut already."""
        decoding, most = _decoding(self.task, self.settings, seed), self.settings.reasoning_tokens
        size = self.labeler.batch_tokens
        if most:
            return write_reasoned(
                self.collect, name, self.model, self.task, texts, decoding, most, size, self.progress
            )
        asking = partial(self.progress, "asking the model")
        return write_and_save(self.collect, name, self.model, layout, texts, decoding, size, asking)

    def record(self, shots: Shown) -> dict[str, Any]:
        """What is kept of its prompts."""
        settings, tokenizer = self.settings, self.model.tokenizer
        if settings.reasoning_tokens:
            return prompt_record(reasoning_layout(tokenizer, self.task), self.task)
        if settings.shot_selection == "Drawn":
            return prompt_record(layout_for(tokenizer, self.task, shots), self.task)
        return prompt_record(layout_for(tokenizer, self.task), self.task, list(chain(*shots)))


def opinions(
    context: StageContext, labeler: Labeler, examples: Examples, rows: NDArray[np.int64]
) -> dict[int, Opinion]:
    """Asks the model and returns what it writes.

    Raises:
        BadSpec: it is no causal model, or reads less than a prompt, its shots, its reasoning and what may be written after
            it; or a budget has too few texts to be shown.
        OwnFault: memory ran out.
        Stopped: the process was asked to stop; the next run goes on from there.
    """
    settings: Prompted = labeler.settings
    task, name = context.spec.task, context.model.name
    if settings.shot_selection == "Nearest":  # before the model is loaded: another reads for features
        shown = nearest_texts(context, labeler, examples, rows)
    else:
        shown = shown_texts(context, labeler, settings.shots, examples)
    model = load_causal(context.model.directory, name)
    texts = examples.texts.take(rows)
    tokens = tokens_of(model.tokenizer, task, texts, settings.max_tokens)
    tokens.require_some(name)
    if caution := tokens.caution(name):
        context.progress.note(caution)
    truncated, unreadable = tokens.truncated, len(tokens.unreadable)
    del tokens  # they are as large as those of the prompts
    read = read_by(model, task, texts, settings.max_tokens)
    collect = SavedAnswers(context, rows, {"device": model.device})
    asking = _Asking(model, task, labeler, collect, context.progress)
    by_seed = {}
    for seed, shots in shown.items():
        asked = shots.read(read_by(model, task, shots.texts, settings.max_tokens)) if shots.answers else []
        layout = asking.layouts(asked, shots.nearest)
        name = "every-seed" if seed == EVERY_SEED else f"seed-{seed}"
        written = asking.write(name, seed, read, layout)
        if place := place_to_publish(context, seed):
            _leave(asked, shots.neighbours, place)
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
            figures={"prompt": asking.record(asked)},
            shown=shots.proving_nothing,
            top=top,
            is_reasoned=settings.reasoning_tokens > 0,
        )
    return by_seed


def answer(labeler: Labeler, texts: Sequence[str], published: Published) -> WeakLabels:
    """What the model writes, shown the shots of the first seed; none where it is cut off."""
    settings: Prompted = labeler.settings
    task, uri = published.family.task, settings.model.uri
    directory = published.models(uri)
    plain: Mapping[str, Any] = json.loads((published.directory / _SHOWN).read_text(encoding="utf-8"))
    shots = [(text, said) for text, said in plain["shots"]]
    nearest = None
    if settings.shot_selection == "Nearest":
        neighbours = Neighbours(**load_file(published.directory / _NEIGHBOURS))
        features, _ = load_encoder(directory, uri).features(texts, settings.max_tokens, labeler.batch_tokens)
        nearest = neighbours.nearest(features, settings.shots)
    asking = _Asking(load_causal(directory, uri), task, labeler, collect_unsaved)
    read = read_by(asking.model, task, texts, settings.max_tokens)
    seed = FIRST_SEED if settings.shots else EVERY_SEED
    written = asking.write("published", seed, read, asking.layouts(shots, nearest))
    said, _ = chosen(written, settings.agreement)
    return WeakLabels(said, np.asarray(said == ""))


def _leave(shots: Shown, neighbours: Neighbours | None, directory: Path) -> None:
    (directory / _SHOWN).write_text(json.dumps({"shots": shots}, ensure_ascii=False), encoding="utf-8")
    if neighbours:
        save_file(vars(neighbours), directory / _NEIGHBOURS)


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
