"""Labeler `Prompted`: a causal model is asked, and each class name is scored in full as its answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from w2s_api.spec.task import Task
from w2s_trainer.errors import BadSpec
from w2s_trainer.models.causal import CausalModel
from w2s_trainer.models.layout import layout_of
from w2s_trainer.models.published import softmax
from w2s_trainer.stages.label.prior import matching_shift
from w2s_trainer.stages.label.prompt import Shot, orders_of, prompt_of, shots_of

HEAP_SAMPLE = 256
"""Texts of the heap by which a prior is corrected."""


@dataclass(frozen=True)
class Question:
    """What a model is asked: the task with the classes in several orders, and examples."""

    task: Task
    orders: int
    shots: tuple[Shot, ...] = ()


def answer_scores(
    model: CausalModel,
    questions: Sequence[Question],
    texts: Sequence[str],
    batch_tokens: int,
    progress: Callable[[int, int], None],
) -> list[NDArray[np.float64]]:
    """Log-probabilities of the class names as answers, for each question and order.

    Args:
        model: the one that is asked.
        questions: they differ in their shots.
        texts: n texts, cut already.
        batch_tokens: tokens in a batch.
        progress: called with (answers to a text, all of them); one for each question and order.

    Returns:
        For each question float64[orders, n, K], sums over the tokens, classes in the task's order.

    Raises:
        BadSpec: a prompt is longer than the model reads; before any text is read.
    """
    prompts = [
        [
            layout_of(model.tokenizer, prompt.question, prompt.shots)
            for prompt in (
                prompt_of(asked.task, order, asked.shots)
                for order in orders_of(len(asked.task.classes), asked.orders)
            )
        ]
        for asked in questions
    ]
    longest = sorted(texts, key=len, reverse=True)[:_PROBES]
    for asked, layouts in zip(questions, prompts, strict=True):
        for layout in layouts:
            answers = model.answers(layout, asked.task.class_names)
            model.require_room(model.prompts(layout, longest, answers), answers)

    total = len(texts) * sum(len(layouts) for layouts in prompts)
    found, done = [], 0
    for asked, layouts in zip(questions, prompts, strict=True):
        scores = np.empty((len(layouts), len(texts), len(asked.task.classes)))
        for index, layout in enumerate(layouts):
            answers = model.answers(layout, asked.task.class_names)
            scores[index] = model.scores(
                model.prompts(layout, texts, answers),
                answers,
                batch_tokens,
                partial(_going_on, progress, done, total),
            )
            done += len(texts)
        found.append(scores)
    return found


def _going_on(progress: Callable[[int, int], None], before: int, total: int, now: int, _all: int) -> None:
    progress(before + now, total)


_PROBES = 64
"""So many of the longest texts are looked at before the first is read; each is checked again with its batch."""


def probabilities_of(
    scores: NDArray[np.float64], sample: NDArray[np.int64], target: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Class probabilities from the scores of several orders.

    Args:
        scores: float64[orders, n, K].
        sample: indices of the texts whose mean probabilities are to be `target`.
        target: float64[K]; None takes the scores as they are.

    Returns:
        softmax(mean over orders + shift), float64[n, K], and bool[n]: the answer, with the same shift, is not
        the same in all orders.
    """
    mean = scores.mean(axis=0)
    shift = np.zeros(mean.shape[1]) if target is None else matching_shift(mean[sample], target)
    answers = (scores + shift).argmax(axis=2)
    return softmax(mean + shift), np.asarray((answers != answers[0]).any(axis=0))


def heap_sample(ids: Sequence[str], size: int = HEAP_SAMPLE) -> NDArray[np.int64]:
    """A fixed sample: the `size` ids of lowest sha256, whatever their order; indices, ascending."""
    hashed = [sha256(f"prior:{name}".encode()).digest() for name in ids]
    return np.array(sorted(sorted(range(len(ids)), key=hashed.__getitem__)[:size]), dtype=np.int64)


def draw_shots(budget: NDArray[np.int64], labels: NDArray[np.int64], n: int, seed: int) -> NDArray[np.int64]:
    """The rows that are a seed's shots, classes in turn.

    Args:
        budget: rows of the seed's gold budget in the order in which they were drawn.
        labels: gold, int64[N], of all rows.
        n: how many.
        seed: for the message.

    Raises:
        BadSpec: the budget is smaller.
    """
    if len(budget) < n:
        raise BadSpec(
            "TooFewForShots",
            f"`shots` is {n}, but the gold budget of seed {seed} has {len(budget)} texts.",
            "Lower `shots`, or raise `data.goldBudget`.",
        )
    return np.asarray(budget[shots_of(labels[budget], n)])
