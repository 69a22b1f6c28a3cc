"""Labeler `Prompted`: a causal model is asked, and each class name is scored in full as its answer."""

import heapq
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.families import FAMILIES
from w2s_api.methods.labelers import Prompted
from w2s_api.spec.task import Task
from w2s_api.spec.weak import Labeler
from w2s_trainer.contract.context import StageContext
from w2s_trainer.models.causal import Answers, CausalModel, load_causal
from w2s_trainer.models.layout import Layout, layout_of
from w2s_trainer.models.published import softmax
from w2s_trainer.models.tokens import tokenize
from w2s_trainer.stages.label.methods import Published
from w2s_trainer.stages.label.opinion import Opinion, drawn_budget, place_to_publish
from w2s_trainer.stages.label.prior import matching_shift, shares, uniform
from w2s_trainer.stages.label.prompt import Shot, orders_of, prompt_of
from w2s_trainer.stages.label.saved_answers import Collect, SavedAnswers, collect_unsaved
from w2s_trainer.stages.label.shots import shots_by_seed
from w2s_trainer.stages.label.texts import prompted as of_texts
from w2s_trainer.stages.label.texts.written import tell_written
from w2s_trainer.stages.pool_sample import pool_sample
from w2s_trainer.stages.tables import EVERY_SEED, Examples, WeakLabels, of_seed, read_gold

POOL_SAMPLE = 256
"""Texts of the pool by which a prior is corrected."""

_ASKED = "asked.json"
_PROBES = 64
"""So many of the longest texts are looked at before the first is read; each is checked again with its batch."""


def opinions(
    context: StageContext, labeler: Labeler, examples: Examples, rows: NDArray[np.int64]
) -> dict[int, Opinion]:
    """Asks the model and returns its answers.

    Raises:
        BadSpec: the model cannot be asked so, or the shots leave nothing to calibrate on.
        OwnFault: memory ran out.
    """
    if FAMILIES[context.spec.task.type].writes:
        return of_texts.opinions(context, labeler, examples, rows)
    settings: Prompted = labeler.settings
    seeds = range(context.spec.evaluation.seeds)
    per_seed = settings.shots > 0 or settings.prior == "Gold"
    gold = np.empty(0, dtype=np.int64)
    if per_seed:
        gold = read_gold(context.artifact("examples"), "budget", examples, context.scratch)
    budgets = {seed: drawn_budget(context, examples, gold, seed) for seed in seeds if per_seed}
    shown = shots_by_seed(context, labeler, settings.shots, budgets, gold)

    model = load_causal(context.model.directory, context.model.name)
    # The same sample in each shard: the shift must be that of the whole.
    pool = examples.rows("pool")[:0] if settings.prior == "None" else pool_rows(examples)
    asked = np.union1d(rows, pool)
    texts, was_cut = model.cut(examples.texts.take(asked), settings.max_tokens)
    read = tokenize(model.tokenizer, examples.texts.take(rows), settings.max_tokens)
    read.require_some(context.model.name)
    if caution := read.caution(context.model.name):
        context.progress.note(caution)
    unreadable = len(read.unreadable)
    del read  # its tokens are as large as those of the prompts
    questions = _questions(context.spec.task, settings, model, examples, gold, shown)
    scores = dict(
        zip(
            questions,
            answer_scores(
                model,
                list(questions.values()),
                texts,
                labeler.batch_tokens,
                partial(context.progress, "asking the model"),
                names=["every-seed" if seed == EVERY_SEED else f"seed-{seed}" for seed in questions],
                collect=SavedAnswers(context, asked, {"device": model.device}),
            ),
            strict=True,
        )
    )

    places, sample = np.searchsorted(asked, rows), np.searchsorted(asked, pool)
    k = len(context.spec.task.classes)
    by_seed = {}
    for seed in seeds if per_seed else [EVERY_SEED]:
        scores_of_seed = of_seed(scores, seed)
        target = shares(gold[budgets[seed]], k) if settings.prior == "Gold" else uniform(k)
        shift = matching_shift(scores_of_seed.mean(axis=0)[sample], target)
        probabilities, order_sensitive = probabilities_of(scores_of_seed[:, places], shift)
        if place := place_to_publish(context, seed):
            _leave(of_seed(questions, seed), shift, place / _ASKED)
        by_seed[seed] = Opinion(
            scores_of_seed.mean(axis=0)[places],
            probabilities,
            np.zeros(len(rows), dtype=bool),
            int(was_cut[places].sum()),
            unreadable,
            {
                "shift": np.round(shift, 4).tolist(),
                "prompt": provenance(model, of_seed(questions, seed)),
            },
            shown=shown.get(seed, rows[:0]),
            order_sensitive=order_sensitive,
        )
    return by_seed


def answer(labeler: Labeler, texts: Sequence[str], published: Published) -> WeakLabels:
    """What the model answers to the question of the first seed, with its shots and its correction of the prior."""
    if FAMILIES[published.family.task.type].writes:
        return of_texts.answer(labeler, texts, published)
    settings: Prompted = labeler.settings
    uri = settings.model.uri
    asked = json.loads((published.directory / _ASKED).read_text(encoding="utf-8"))
    shots = tuple(Shot(shot["text"], shot["label"]) for shot in asked["shots"])
    model = load_causal(published.models(uri), uri)
    cut, _ = model.cut(texts, settings.max_tokens)
    question = Question(published.family.task, settings.orders, shots)
    (scores,) = answer_scores(model, [question], cut, labeler.batch_tokens, lambda _done, _total: None)
    probabilities, _ = probabilities_of(scores, np.array(asked["shift"]))
    return WeakLabels(probabilities, np.zeros(len(texts), dtype=bool))


def tell(context: StageContext, labeler: Labeler, summary: Mapping[str, Any]) -> int:
    """Notes what it wrote, where it writes; returns how many notes warn."""
    return tell_written(context, labeler, summary)


def _leave(question: "Question", shift: NDArray[np.float64], place: Path) -> None:
    """Writes what `answer` needs beside the model: the shots, which are texts of the gold budget, and the shift."""
    shots = [{"text": shot.text, "label": shot.label} for shot in question.shots]
    asked = {"shots": shots, "shift": shift.tolist()}
    place.write_text(json.dumps(asked, ensure_ascii=False), encoding="utf-8")


@dataclass(frozen=True)
class Question:
    """What a model is asked: the task with the classes in several orders, and examples."""

    task: Task
    orders: int
    shots: tuple[Shot, ...] = ()

    def layouts(self, tokenizer: Any) -> list[Layout]:
        """As a model's tokenizer has it, one for each order."""
        prompts = [
            prompt_of(self.task, order, self.shots)
            for order in orders_of(len(self.task.classes), self.orders)
        ]
        return [layout_of(tokenizer, prompt.question, prompt.shots) for prompt in prompts]


def answer_scores(
    model: CausalModel,
    questions: Sequence[Question],
    texts: Sequence[str],
    batch_tokens: int,
    progress: Callable[[int, int], None],
    *,
    names: Sequence[str] | None = None,
    collect: Collect = collect_unsaved,
) -> list[NDArray[np.float64]]:
    """Computes log-probabilities of the class names as answers, for each question and order.

    Args:
        model: the one that is asked.
        questions: they differ in their shots.
        texts: n texts, cut already.
        batch_tokens: tokens in a batch.
        progress: called with (answers to a text, all of them); one for each question and order.
        names: of the questions, for what collects the answers; None: their numbers.
        collect: gathers the answers, and may save them.

    Returns:
        For each question float64[orders, n, K], sums over the tokens, classes in the task's order.

    Raises:
        BadSpec: a prompt is longer than the model reads; before any text is read.
        OwnFault: memory ran out.
    """
    laid_out = [
        [
            (layout, model.answers(layout, question.task.class_names))
            for layout in question.layouts(model.tokenizer)
        ]
        for question in questions
    ]
    longest = heapq.nlargest(_PROBES, texts, key=len)
    for layouts in laid_out:
        for layout, answers in layouts:
            model.require_room(model.prompts(layout, longest, answers), answers)

    total = len(texts) * sum(len(layouts) for layouts in laid_out)
    all_scores, done = [], 0
    names = names or [str(number) for number in range(len(questions))]
    for name, question, layouts in zip(names, questions, laid_out, strict=True):
        scores = np.empty((len(layouts), len(texts), len(question.task.classes)))
        for index, (layout, answers) in enumerate(layouts):
            scores[index] = collect(
                f"{name}-order-{index}",
                len(texts),
                len(question.task.classes),
                np.float64,
                partial(_score, model, layout, texts, answers, batch_tokens),
                partial(_going_on, progress, done, total),
            )
            done += len(texts)
        all_scores.append(scores)
    return all_scores


def probabilities_of(
    scores: NDArray[np.float64], shift: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Class probabilities from the scores of several orders.

    Args:
        scores: float64[orders, n, K].
        shift: float64[K], corrects the prior (`matching_shift`).

    Returns:
        softmax(mean over orders + shift), float64[n, K], and bool[n]: the answer, with the same shift, is not
        the same in all orders.
    """
    answers = (scores + shift).argmax(axis=2)
    return softmax(scores.mean(axis=0) + shift), np.asarray((answers != answers[0]).any(axis=0))


def pool_rows(examples: Examples) -> NDArray[np.int64]:
    """The sample of the pool by which a prior is corrected, ascending."""
    return pool_sample(examples, POOL_SAMPLE, "prior")


def provenance(model: CausalModel, question: Question) -> dict[str, Any]:
    """Records what was asked, to tell another run from it: a digest of the prompts in all orders, without
    their text, and the token ids of the answers."""
    layouts = question.layouts(model.tokenizer)
    written = json.dumps([[layout.head, layout.tail, layout.lead, layout.end] for layout in layouts])
    names = question.task.class_names
    answers = model.answers(layouts[0], names)
    return {
        "sha256": sha256(written.encode()).hexdigest(),
        "chat": layouts[0].chat,
        "orders": len(layouts),
        "answers": dict(zip(names, answers.ids, strict=True)),
    }


def _questions(
    task: Task,
    settings: Prompted,
    model: CausalModel,
    examples: Examples,
    gold: NDArray[np.int64],
    shown: dict[int, NDArray[np.int64]],
) -> dict[int, Question]:
    """What is asked for each seed; the same for every seed without shots."""
    if not shown:
        return {EVERY_SEED: Question(task, settings.orders)}
    questions = {}
    for seed, rows in shown.items():
        texts, _ = model.cut(examples.texts.take(rows), settings.max_tokens)
        shots = tuple(Shot(text, int(gold[row])) for text, row in zip(texts, rows, strict=True))
        questions[seed] = Question(task, settings.orders, shots)
    return questions


def _score(
    model: CausalModel,
    layout: Layout,
    texts: Sequence[str],
    answers: Answers,
    batch_tokens: int,
    left: NDArray[np.int64],
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """The scores of the texts at some places; nothing is tokenised where all are there."""
    if len(left):
        yield from model.scores_of(model.prompts(layout, texts, answers), answers, left, batch_tokens)


def _going_on(progress: Callable[[int, int], None], before: int, total: int, now: int, _all: int) -> None:
    progress(before + now, total)
