"""What every source of combination.py says of every text of a set, by split; kept in a cache."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from combination_tasks import CHOOSING, Task
from demo_splits import draw_budget
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB

from w2s_trainer.models.head import cross_validated_l2, fit, normalise
from w2s_trainer.stages.combine.students import gold_student

TEST, TEACHER, BUDGET = 0.40, 0.06, 0.20
"""Of the families, in this order; the rest is the pool."""
TEACHER_LABELS = 64
SIZES = (16, 64, 256)
CENTRE_ROWS = ("0", "1", "K")
"""Weights of the gold student's row at the centre; K: the number of classes."""
L2 = {"restricted": 2.0}
OTHER_L2 = 0.3
CEILING_GRID = (0.1, 0.3, 1.0, 3.0)

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Teacher:
    """A weak source and its student; n texts, K classes."""

    probabilities: Floats
    abstain: NDArray[np.bool_]
    strong: Floats
    """Logits."""


@dataclass(frozen=True)
class Budget:
    """Gold labels and what is learnt of them alone."""

    rows: Rows
    gold_only: Floats
    """Logits of the arm."""
    gold: dict[str, Floats]
    """Logits of the gold student by weight of the row at the centre."""
    held_out: dict[str, Floats]
    """Of `rows`, out of fold."""


@dataclass(frozen=True)
class Split:
    """One division of a set."""

    test: Rows
    pool: Rows
    mean: Floats
    """Of the pool's features: what the heads of the combination are centred on."""
    zero_shot: NDArray[np.int64]
    ceiling: Floats
    teachers: dict[str, Teacher]
    budgets: dict[int, Budget]


def read_split(task: Task, number: int, cache: Path) -> Split:
    """A split, from the cache where it is there: what is learnt of gold and, in another file, the teachers."""
    gold = kept_in(cache / f"split-1-{task.name}-{number}.npz", lambda: _split(task, number))
    path = cache / f"teachers-2-{task.name}-{number}.npz"
    return replace(gold, teachers=kept_in(path, lambda: _taught(task, number, gold)))


def kept_in(path: Path, made: Callable[[], Any]) -> Any:
    """What a file keeps; it is made where there is no such file."""
    if not path.exists():
        np.savez(path, it=np.array([made()], dtype=object))
    with np.load(path, allow_pickle=True) as file:
        return next(iter(file.values()))[0]


def divided(task: Task, number: int) -> tuple[Rows, Rows, Rows, Rows]:
    """Rows of the test, of the teacher's own labels, of the budget in drawing order, and of the pool."""
    rng = np.random.default_rng([20261129, number])
    place = rng.permutation(task.family.max() + 1)[task.family] / (task.family.max() + 1)
    elsewhere = 0.0 if task.name == "restricted" else TEACHER
    taught = np.flatnonzero((place >= TEST) & (place < TEST + elsewhere))
    budget = np.flatnonzero((place >= TEST + elsewhere) & (place < TEST + elsewhere + BUDGET))
    if elsewhere:
        taught = draw_budget(taught, task.y, rng)[:TEACHER_LABELS]
    pool = np.flatnonzero(place >= TEST + elsewhere + BUDGET)
    return np.flatnonzero(place < TEST), taught, draw_budget(budget, task.y, rng), pool


def _split(task: Task, number: int) -> Split:
    x, y, k = task.features, task.y, len(task.classes)
    test, _, order, pool = divided(task, number)
    mean = x[pool].mean(axis=0, dtype=np.float64)
    budgets = {}
    for size in SIZES:
        rows = order[:size]
        l2 = cross_validated_l2(x[rows], y[rows], task.family[rows], seed=number)
        only = fit(x[rows], np.eye(k)[y[rows]], np.ones(len(rows)), l2).logits(x)
        gold, held_out = {}, {}
        for weight in CENTRE_ROWS if task.name in CHOOSING and size < 256 else ("1",):
            student = gold_student(
                x[rows], y[rows], task.family[rows], classes=k, mean=mean, seed=number,
                centre_row=float(k if weight == "K" else weight),
            )  # fmt: skip
            assert student is not None
            gold[weight], held_out[weight] = student.head.logits(x), student.held_out.log_odds
        budgets[size] = Budget(rows, only, gold, held_out)

    l2 = cross_validated_l2(x[pool], y[pool], task.family[pool], seed=number, grid=CEILING_GRID, folds=3)
    ceiling = fit(x[pool], np.eye(k)[y[pool]], np.ones(len(pool)), l2).logits(x)
    similar = normalise(x) @ normalise(task.descriptions).T
    return Split(test, pool, mean, similar.argmax(axis=1), ceiling, {}, budgets)


def _taught(task: Task, number: int, split: Split) -> dict[str, Teacher]:
    teachers, x = {}, task.features
    for name, (p, abstain) in teachers_of(task, divided(task, number)[1], split.pool).items():
        covered = split.pool[~abstain[split.pool]]
        l2 = L2.get(task.name, OTHER_L2)
        head = fit(x[covered], p[covered], np.ones(len(covered)), l2, split.mean)
        teachers[name] = Teacher(p, abstain, head.logits(x))
    return teachers


def teachers_of(task: Task, taught: Rows, pool: Rows) -> dict[str, tuple[Floats, NDArray[np.bool_]]]:
    """By name, what a weak source says of all texts, and where it says nothing."""
    k, found = len(task.classes), {}
    if task.votes is not None:
        name = "rules" if task.name == "restricted" else "votes"
        p = (task.votes + 0.25) / (task.votes.sum(axis=1, keepdims=True) + 0.25 * k)
        if name == "rules":  # probabilities already
            p = np.where(task.votes.sum(axis=1, keepdims=True) > 0, task.votes, 1 / k)
        top = np.sort(task.votes, axis=1)
        found[name] = p, top[:, -1] == top[:, -2]
    if len(taught):
        texts, y = [task.texts[row] for row in taught], task.y[taught]
        words = TfidfVectorizer(min_df=1, sublinear_tf=True).fit(texts)
        silent = np.zeros(len(task.y), dtype=bool)
        for name, model in (
            ("nb", MultinomialNB()),
            ("lr", LogisticRegression(C=10, class_weight="balanced", max_iter=2000)),
        ):
            model.fit(words.transform(texts), y)
            p = np.full((len(task.y), k), 1e-6)
            p[:, model.classes_] += model.predict_proba(words.transform(task.texts))
            found[name] = p / p.sum(axis=1, keepdims=True), silent
        sure = found["nb"][0].max(axis=1)
        found["nb-half"] = found["nb"][0], sure < np.median(sure[pool])
    return found
