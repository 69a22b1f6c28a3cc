"""Which of two answers a model prefers: asked in both orders, for models prefer a place (docs/protocol.md)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from w2s_api.spec.task import Task
from w2s_trainer.models.causal import CausalModel
from w2s_trainer.models.layout import Layout, Wording, layout_of
from w2s_trainer.stages.judging.options import expected, mass_of, option_scores
from w2s_trainer.stages.judging.rating import task_words
from w2s_trainer.stages.label.saved_answers import Collect

OPTIONS = ("A", "B")
LEAST_MASS = 0.5
"""Of the probability, what both options must have together: below it the judge would rather say something else."""
NOTHING = "(no answer)"
_WORDING = Wording("Better answer", "Reply with A or B and nothing else.")


@dataclass(frozen=True)
class Preferences:
    """How far a judge prefers one of two answers to n texts."""

    shown_first: NDArray[np.float64]
    """float64[n], its probability where it is A; that of the other is the rest."""
    shown_second: NDArray[np.float64]
    """float64[n], its probability where it is B."""
    mass: NDArray[np.float64]
    """float64[n], the probability of saying A or B at all, in the order in which it is smaller."""

    @property
    def elsewhere(self) -> NDArray[np.bool_]:
        """bool[n]: in one order or both, the judge would rather have said something else."""
        return np.asarray(self.mass < LEAST_MASS)

    def verdicts(self, margin: float) -> NDArray[np.int64]:
        """int64[n]: 1 where it wins, −1 where it loses, 0 for a tie: the orders disagree, the margin is small, or the judge
        would rather have said something else."""
        mean = (self.shown_first + self.shown_second) / 2
        lowest, highest = (
            np.minimum(self.shown_first, self.shown_second),
            np.maximum(self.shown_first, self.shown_second),
        )
        wins = (lowest > 0.5) & (mean >= 0.5 + margin)
        losses = (highest < 0.5) & (mean <= 0.5 - margin)
        return np.where(self.elsewhere, 0, wins.astype(np.int64) - losses.astype(np.int64))

    def position(self) -> tuple[float, float]:
        """The shares of the n items in which the answer that is shown first is preferred in both orders, and the second."""
        first = (self.shown_first > 0.5) & (self.shown_second < 0.5)
        second = (self.shown_first < 0.5) & (self.shown_second > 0.5)
        return (float(first.mean()), float(second.mean())) if len(first) else (0.0, 0.0)


def pair_layout(tokenizer: object, task: Task, question: str) -> Layout:
    """The prompt of a judge that prefers; text and answers are put in by `shown_pair`."""
    told = task_words(task)
    parts = [
        "You are shown a text and two answers that were given about it, A and B.",
        *([f"The task was:\n{told}"] if told else []),
        question.strip(),
    ]
    return layout_of(tokenizer, "\n\n".join(parts), (), _WORDING)


def shown_pair(text: str, first: str, second: str) -> str:
    """A text with two answers, as one text of a prompt."""
    one, other = (answer.strip() or NOTHING for answer in (first, second))
    return f"{text.strip()}\n\nAnswer A:\n{one}\n\nAnswer B:\n{other}"


def prefer(
    model: CausalModel,
    layout: Layout,
    texts: Sequence[str],
    ours: Sequence[str],
    theirs: Sequence[str],
    *,
    max_tokens: int,
    batch_tokens: int,
    collect: Collect,
    name: str,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Preferences:
    """Asks a model about n pairs of answers, each in both orders.

    Args:
        model: the judge.
        layout: of `pair_layout`.
        texts: n texts.
        ours: of each the answer whose probability is told.
        theirs: of each the other answer.
        max_tokens: text and answers are each cut there.
        batch_tokens: tokens in a batch.
        collect: gathers what it says, and may save it.
        name: of the collection.
        progress: called with (questions done, 2 n).

    Raises:
        BadSpec: a prompt is longer than the model reads.
        OwnFault: memory ran out.
    """
    sources, first, second = (list(model.cut(part, max_tokens)[0]) for part in (texts, ours, theirs))
    asked = [shown_pair(*triple) for triple in zip(sources, first, second, strict=True)]
    asked += [shown_pair(*triple) for triple in zip(sources, second, first, strict=True)]
    scores = option_scores(model, layout, asked, OPTIONS, batch_tokens, collect, name, progress)
    mass, a = mass_of(scores), expected(scores, (1, 0))
    n = len(sources)
    return Preferences(a[:n], 1 - a[n:], np.minimum(mass[:n], mass[n:]))
