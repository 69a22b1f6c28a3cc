"""A question to a causal model, and how likely each class name is as its answer."""

import heapq
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from w2s_api.spec.task import Task
from w2s_trainer.models.causal import Answers, CausalModel, Prompts
from w2s_trainer.models.layout import CLASS_NAME, Layout, layout_of
from w2s_trainer.stages.label.prompt import Shot, orders_of, prompt_of, prompt_with
from w2s_trainer.stages.label.reasoning import WORDING, concluding, read_reasonings, reasonings
from w2s_trainer.stages.label.saved_answers import Answer, Collect, collect_unsaved

_PROBES = 64
"""So many of the longest texts are looked at before the first is read; each is checked again with its batch."""


@dataclass(frozen=True)
class Question:
    """What a model is asked: the task with the classes in several orders, and examples."""

    task: Task
    orders: int
    shots: tuple[Shot, ...] = ()
    """In every prompt; with `nearest`, those that the shots of each text are picked from."""
    nearest: NDArray[np.int64] | None = None
    """int64[n, s], of each of the n texts that are asked about the places of its shots, in the order in which they are
    shown; None: every text has all of them."""
    reasoning_tokens: int = 0
    """The model writes so many tokens at most before it is asked for the class; there are no shots then."""

    def layouts(self, tokenizer: Any) -> list[Layout]:
        """As a model's tokenizer has it, one for each order; with `nearest`, around the first of the shots."""
        shots = self.shots if self.nearest is None else self.shots[: self.nearest.shape[1]]
        prompts = [prompt_of(self.task, order, shots) for order in self._orders()]
        wording = WORDING if self.reasoning_tokens else CLASS_NAME
        return [layout_of(tokenizer, prompt.question, prompt.shots, wording) for prompt in prompts]

    def layouts_of_texts(
        self, tokenizer: Any, order: int, places: NDArray[np.int64], nearest: NDArray[np.int64]
    ) -> Iterator[Layout]:
        """The layouts of the texts at some places, int64[m], in one of the orders, by their nearest shots."""
        classes = self._orders()[order]
        for place in places:
            shown = prompt_with(self.task, classes, [self.shots[at] for at in nearest[place]])
            yield layout_of(tokenizer, shown.question, shown.shots)

    def _orders(self) -> list[tuple[int, ...]]:
        return orders_of(len(self.task.classes), self.orders)


@dataclass(frozen=True)
class _Asked:
    """A question in one order of the classes, about n texts, as a model reads it."""

    model: CausalModel
    question: Question
    order: int
    layout: Layout
    texts: Sequence[str]
    reasonings: Sequence[str] | None = None
    """Of each text, once they are written."""

    @cached_property
    def answers(self) -> Answers:
        """The class names, as they are after a prompt, or after its reasoning."""
        layout = concluding(self.layout) if self.question.reasoning_tokens else self.layout
        return self.model.answers(layout, self.question.task.class_names)

    def prompts(self, places: Sequence[int] | None = None) -> Prompts:
        """Of the texts at some places; None: of all."""
        texts = self.texts if places is None else [self.texts[place] for place in places]
        wanted = np.arange(len(self.texts)) if places is None else np.array(places, dtype=np.int64)
        if self.question.nearest is not None:
            layouts = self.question.layouts_of_texts(
                self.model.tokenizer, self.order, wanted, self.question.nearest
            )
            return self.model.prompts_of_each(layouts, texts, self.answers)
        if self.reasonings is not None:
            concluded = (concluding(self.layout, self.reasonings[place]) for place in wanted)
            return self.model.prompts_of_each(concluded, texts, self.answers)
        # What a model goes on with itself is no answer that a tokenizer could join to the prompt.
        follows = Answers([[]], 0) if self.question.reasoning_tokens else self.answers
        return self.model.prompts(self.layout, texts, follows)

    def require_room(self, places: Sequence[int]) -> None:
        """Raises BadSpec where a prompt of these texts is too long, with its reasoning and its answer."""
        between = self.question.reasoning_tokens
        if between:
            conclusion = self.model.prompts(concluding(self.layout), ["x"], self.answers)
            before = self.model.prompts(self.layout, ["x"], Answers([[]], 0))
            between += _length(conclusion) - _length(before)
        self.model.require_room(self.prompts(places), self.answers, between)

    def reasoned(
        self, collect: Callable[[int, DTypeLike, Answer], NDArray[Any]], batch_tokens: int
    ) -> "_Asked":
        """The same with its reasonings, which `collect` gathers: called with their width, type and source."""

        def write(left: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int32]]]:
            if len(left):
                most = self.question.reasoning_tokens
                yield from reasonings(self.model, self.layout, self.prompts(), most, batch_tokens, left)

        tokens = collect(self.question.reasoning_tokens, np.int32, write)
        return replace(self, reasonings=read_reasonings(self.model.tokenizer, tokens))

    def longest(self) -> list[int]:
        """Places of the texts whose prompts have the most characters."""
        lengths = np.array([len(text) for text in self.texts], dtype=np.int64)
        if self.question.nearest is not None:
            shots = np.array([len(shot.text) for shot in self.question.shots], dtype=np.int64)
            lengths = lengths + shots[self.question.nearest].sum(axis=1)
        return heapq.nlargest(_PROBES, range(len(lengths)), key=lengths.__getitem__)

    def scores(
        self, batch_tokens: int, left: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Those of the texts at some places; nothing is tokenised where all are there."""
        if len(left):
            yield from self.model.scores_of(self.prompts(), self.answers, left, batch_tokens)


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
    asked = [
        [
            _Asked(model, question, order, layout, texts)
            for order, layout in enumerate(question.layouts(model.tokenizer))
        ]
        for question in questions
    ]
    for orders in asked:
        longest = orders[0].longest()
        for one in orders:
            one.require_room(longest)

    passes = [len(orders) * (2 if orders[0].question.reasoning_tokens else 1) for orders in asked]
    total = len(texts) * sum(passes)
    all_scores, done = [], 0
    names = names or [str(number) for number in range(len(questions))]

    def gather(name: str, width: int, dtype: DTypeLike, answer: Answer) -> NDArray[Any]:
        nonlocal done
        gathered = collect(name, len(texts), width, dtype, answer, partial(_going_on, progress, done, total))
        done += len(texts)
        return gathered

    for name, question, orders in zip(names, questions, asked, strict=True):
        k = len(question.task.classes)
        scores = np.empty((len(orders), len(texts), k))
        for unreasoned in orders:
            one, of_order = unreasoned, f"{name}-order-{unreasoned.order}"
            if question.reasoning_tokens:
                one = one.reasoned(partial(gather, f"{of_order}-reasoning"), batch_tokens)
            scores[one.order] = gather(of_order, k, np.float64, partial(one.scores, batch_tokens))
        all_scores.append(scores)
    return all_scores


def provenance(model: CausalModel, question: Question) -> dict[str, Any]:
    """Records what was asked, to tell another run from it: a digest of the prompts in all orders and of all shots,
    without their text, and the token ids of the answers."""
    layouts = question.layouts(model.tokenizer)
    written: list[Any] = [[layout.head, layout.tail, layout.lead, layout.end] for layout in layouts]
    if question.nearest is not None:
        written += [[shot.text, shot.label] for shot in question.shots]
    names = question.task.class_names
    answers = model.answers(concluding(layouts[0]) if question.reasoning_tokens else layouts[0], names)
    return {
        "sha256": sha256(json.dumps(written).encode()).hexdigest(),
        "chat": layouts[0].chat,
        "orders": len(layouts),
        "answers": dict(zip(names, answers.ids, strict=True)),
    }


def _length(prompts: Prompts) -> int:
    """Tokens of the one prompt."""
    return len(prompts.shared) + len(prompts.rests[0])


def _going_on(progress: Callable[[int, int], None], before: int, total: int, now: int, _all: int) -> None:
    progress(before + now, total)
