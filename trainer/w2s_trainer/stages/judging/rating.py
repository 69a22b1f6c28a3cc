"""How good a model finds an answer by a rubric: the expected rating, from the probabilities of all ratings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from w2s_api.families import family_of
from w2s_api.spec.task import Task
from w2s_trainer.models.causal import CausalModel
from w2s_trainer.models.layout import Layout, Wording, layout_of
from w2s_trainer.stages.judging.options import expected, mass_of, option_scores
from w2s_trainer.stages.label.prompt import prompt_with
from w2s_trainer.stages.label.saved_answers import Collect


@dataclass(frozen=True)
class ScaleWords:
    """A scale, as it is put to a model."""

    options: tuple[str, ...]
    values: tuple[float, ...]
    """What each option is worth."""
    question: str
    wording: Wording


SCALES: Mapping[str, ScaleWords] = {
    "OneToFive": ScaleWords(
        ("1", "2", "3", "4", "5"),
        (1, 2, 3, 4, 5),
        "Rate how good the answer is, from 1 (bad) to 5 (excellent).",
        Wording("Rating", "Reply with one number from 1 to 5 and nothing else."),
    ),
    "YesNo": ScaleWords(
        ("Yes", "No"),
        (1, 0),
        "Is the answer good?",
        Wording("Good", "Reply with Yes or No and nothing else."),
    ),
}


@dataclass(frozen=True)
class Rated:
    """What a judge says of n answers."""

    ratings: NDArray[np.float64]
    """float64[n], expected ratings; where the mass is small they mean little."""
    mass: NDArray[np.float64]
    """float64[n], the probability of saying any rating at all."""


def task_words(task: Task) -> str:
    """The task as a judge is told it: the instruction, and the classes where there are some; empty if nothing is said."""
    family = family_of(task)
    if family.writes:
        return task.instruction.strip()
    return prompt_with(task, range(len(family.label_names(task) or ())), []).question


def rating_layout(tokenizer: object, task: Task, rubric: str, scale: str) -> Layout:
    """The prompt of a judge that rates; text and answer are put in by `shown`."""
    words = SCALES[scale]
    told = task_words(task)
    parts = [
        "You are shown a text and an answer that somebody gave about it.",
        *([f"The task was:\n{told}"] if told else []),
        f"What makes an answer good:\n{rubric.strip()}",
        words.question,
    ]
    return layout_of(tokenizer, "\n\n".join(parts), (), words.wording)


def shown(text: str, answer: str) -> str:
    """A text with the answer that is rated, as one text of a prompt."""
    return f"{text.strip()}\n\nAnswer that was given:\n{answer.strip()}"


def rate(
    model: CausalModel,
    layout: Layout,
    scale: str,
    texts: Sequence[str],
    answers: Sequence[str],
    *,
    max_tokens: int,
    batch_tokens: int,
    collect: Collect,
    name: str,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Rated:
    """Has a model rate n answers.

    Args:
        model: the judge.
        layout: of `rating_layout`.
        scale: a key of SCALES.
        texts: n texts.
        answers: n answers, one for each text.
        max_tokens: text and answer are each cut there.
        batch_tokens: tokens in a batch.
        collect: gathers what it says, and may save it.
        name: of the collection.
        progress: called with (answers done, n).

    Raises:
        BadSpec: a prompt is longer than the model reads.
        OwnFault: memory ran out.
    """
    cut, _ = model.cut(texts, max_tokens)
    short, _ = model.cut(answers, max_tokens)
    pairs = [shown(text, answer) for text, answer in zip(cut, short, strict=True)]
    words = SCALES[scale]
    scores = option_scores(model, layout, pairs, words.options, batch_tokens, collect, name, progress)
    return Rated(expected(scores, words.values), mass_of(scores))
