"""Labeler `Endpoint`: a model behind an OpenAI-compatible API is asked, and its answers are read."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.families import FAMILIES
from w2s_api.methods.labelers import Endpoint
from w2s_api.methods.labelers.endpoint import KEY_VARIABLES
from w2s_api.spec.weak import Labeler
from w2s_trainer.contract.context import StageContext
from w2s_trainer.stages.columns import taken
from w2s_trainer.stages.label.opinion import Opinion, drawn_budget, path_of
from w2s_trainer.stages.label.prompt import Prompt, Shot, orders_of, prompt_of
from w2s_trainer.stages.label.remote.asking import Asking
from w2s_trainer.stages.label.remote.client import Client
from w2s_trainer.stages.label.remote.conversation import Message, conversation
from w2s_trainer.stages.label.remote.cost import Meter
from w2s_trainer.stages.label.remote.figures import figures_of, in_words, total, warnings
from w2s_trainer.stages.label.remote.form import ClassForm, Form
from w2s_trainer.stages.label.remote.record import Records
from w2s_trainer.stages.label.saved_answers import SavedAnswers
from w2s_trainer.stages.label.shots import shots_by_seed
from w2s_trainer.stages.label.texts import endpoint as of_texts
from w2s_trainer.stages.tables import EVERY_SEED, Examples, read_gold

INTERVAL = 10.0
"""Seconds from one save to the next: answers cost money."""


@dataclass(frozen=True)
class _Questions:
    """Every question by its place: seed by seed, in each order by order, in each text by text."""

    prompts: list[Prompt]
    """Of each seed in each order."""
    texts: Sequence[str]
    """Those that are asked about, n of them."""
    most: int
    """Characters of a text that are sent."""
    reasoning: bool

    def __len__(self) -> int:
        return len(self.prompts) * len(self.texts)

    def messages(self, place: int) -> list[Message]:
        """What is sent for one of them."""
        prompt, row = divmod(place, len(self.texts))
        text = self.texts[row][: self.most].strip()
        return conversation(self.prompts[prompt], text, reasoning=self.reasoning)


def opinions(
    context: StageContext, labeler: Labeler, examples: Examples, rows: NDArray[np.int64]
) -> dict[int, Opinion]:
    """Asks the model and returns its answers. What was answered once is never asked for again.

    Raises:
        BadSpec: the endpoint refuses what is asked, or the answers would cost more than `maxCost`.
        EndpointDenied: it refuses the API key.
        EndpointUnavailable: it gave no answer for too long.
        Stopped: the process was asked to stop; the next run goes on from there.
    """
    if FAMILIES[context.spec.task.type].writes:
        return of_texts.opinions(context, labeler, examples, rows, _ask)
    settings: Endpoint = labeler.settings
    shown = _shown(context, labeler, settings, examples)
    questions = _questions(context, settings, examples, rows, shown)
    form = ClassForm(context.spec.task.class_names, settings.samples, settings.reasoning)
    values = _ask(context, labeler, settings, form, questions.messages, len(questions), rows)
    return _opinions(settings, values, examples, rows, shown)


def _ask(
    context: StageContext,
    labeler: Labeler,
    settings: Endpoint,
    form: Form,
    messages: Callable[[int], list[Message]],
    n: int,
    rows: NDArray[np.int64],
) -> NDArray[Any]:
    """See Ask."""
    path = f"{path_of(context, labeler)}.endpoint"
    client = Client(settings, api_key(), path, most_logprobs=form.most_logprobs)
    limit = float(settings.max_cost) / context.shard[1] if settings.max_cost else None
    meter = Meter(settings.price_per_million_tokens, limit, settings.answer_tokens, settings.samples)
    began = time.monotonic()
    with closing(Asking(client, form, messages, n, meter, settings.concurrency, path)) as asking:
        values = SavedAnswers(context, rows, interval=INTERVAL, costly=asking)(
            "asked",
            n,
            form.width,
            form.dtype,
            asking.answers,
            partial(context.progress, "asking the endpoint"),
        )
        before = asking.kept
    seconds = time.monotonic() - began
    for note in client.notes:
        context.progress.note(f"{labeler.name}: {note}")
    if n > before and seconds > 0:
        asked = (n - before) / n * len(rows)
        context.progress.note(f"{labeler.name}: {asked / seconds:.2f} texts/s")
    return values


def tell(context: StageContext, labeler: Labeler, summary: Mapping[str, Any]) -> int:
    """Notes what was asked and what it cost; warns where many questions got no usable answer."""
    figures = total(summary)
    context.progress.note(f"{labeler.name}: {in_words(figures)}")
    doubts = warnings(figures)
    for doubt in doubts:
        context.progress.note(f"Warning: {labeler.name}: {doubt}")
    return len(doubts)


def api_key(environment: Mapping[str, str] = os.environ) -> str | None:
    """The API key, without white space around it; None if there is none."""
    return next((key for name in KEY_VARIABLES if (key := environment.get(name, "").strip())), None)


def _shown(
    context: StageContext, labeler: Labeler, settings: Endpoint, examples: Examples
) -> dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rows of each seed's shots and their labels, if there are to be any."""
    if not settings.shots:
        return {}
    gold = read_gold(context.artifact("gold"), "budget", examples, context.scratch)
    seeds = range(context.spec.evaluation.seeds)
    budgets = {seed: drawn_budget(context, examples, gold, seed) for seed in seeds}
    shots = shots_by_seed(context, labeler, settings.shots, budgets, gold)
    return {seed: (rows, gold[rows]) for seed, rows in shots.items()}


def _questions(
    context: StageContext,
    settings: Endpoint,
    examples: Examples,
    rows: NDArray[np.int64],
    shown: Mapping[int, tuple[NDArray[np.int64], NDArray[np.int64]]],
) -> _Questions:
    task, prompts = context.spec.task, []
    for seed in shown or [EVERY_SEED]:
        shots: list[Shot] = []
        if shown:
            texts = taken(examples.texts, shown[seed][0])
            shots = [
                Shot(text[: settings.max_characters].strip(), int(label))
                for text, label in zip(texts, shown[seed][1], strict=True)
            ]
        prompts += [prompt_of(task, order, shots) for order in orders_of(len(task.classes), settings.orders)]
    return _Questions(prompts, examples.texts.take(rows), settings.max_characters, settings.reasoning)


def _opinions(
    settings: Endpoint,
    values: NDArray[np.float64],
    examples: Examples,
    rows: NDArray[np.int64],
    shown: Mapping[int, tuple[NDArray[np.int64], NDArray[np.int64]]],
) -> dict[int, Opinion]:
    """The answers of each seed, the mean over the orders that were answered; none is an abstention."""
    seeds = list(shown) or [EVERY_SEED]
    ids = examples.ids.take(rows)
    cut = sum(len(text) > settings.max_characters for text in taken(examples.texts, rows))
    by_seed = {}
    for seed, block in zip(seeds, np.split(values, len(seeds)), strict=True):
        records = Records(block)
        k = records.probabilities.shape[1]
        answers = records.probabilities.reshape(-1, len(rows), k)
        answered = (records.kinds == 0).reshape(-1, len(rows))
        votes = answered.sum(axis=0)
        probabilities = (answers * answered[:, :, None]).sum(axis=0) / np.maximum(votes, 1)[:, None]
        abstain = votes == 0
        probabilities[abstain] = 1 / k
        best = np.where(answered, answers.argmax(axis=2), -1)
        order_sensitive = np.array([len({*column.tolist()} - {-1}) > 1 for column in best.T], dtype=bool)
        names = [ids[place % len(rows)] for place in range(len(block))] if len(rows) else []
        by_seed[seed] = Opinion(
            np.log(np.maximum(probabilities, 1e-30)),
            probabilities,
            abstain,
            truncated=cut,
            figures={"asked": figures_of(records, names, settings.price_per_million_tokens)},
            shown=shown[seed][0] if shown else rows[:0],
            order_sensitive=order_sensitive if settings.orders > 1 else None,
        )
    return by_seed
