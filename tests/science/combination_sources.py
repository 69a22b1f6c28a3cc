"""What every source of combination.py says of every text of a set, by split; kept in a cache."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from combination_tasks import CHOOSING, Task
from demo_splits import draw_budget
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
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
    """A split, from the cache where it is there."""
    path = cache / f"split-1-{task.name}-{number}.npz"
    if not path.exists():
        np.savez(path, split=np.array([_split(task, number)], dtype=object))
    return np.load(path, allow_pickle=True)["split"][0]  # type: ignore[no-any-return]


def _split(task: Task, number: int) -> Split:
    rng = np.random.default_rng([20261129, number])
    x, y, k = task.features, task.y, len(task.classes)
    place = rng.permutation(task.family.max() + 1)[task.family] / (task.family.max() + 1)
    elsewhere = 0.0 if task.name == "restricted" else TEACHER
    test = np.flatnonzero(place < TEST)
    taught = np.flatnonzero((place >= TEST) & (place < TEST + elsewhere))
    budget = np.flatnonzero((place >= TEST + elsewhere) & (place < TEST + elsewhere + BUDGET))
    pool = np.flatnonzero(place >= TEST + elsewhere + BUDGET)
    mean = x[pool].mean(axis=0, dtype=np.float64)

    teachers = {}
    for name, (p, abstain) in _teachers(task, taught, pool, rng).items():
        covered = pool[~abstain[pool]]
        head = fit(x[covered], p[covered], np.ones(len(covered)), L2.get(task.name, OTHER_L2), mean)
        teachers[name] = Teacher(p, abstain, head.logits(x))

    order, budgets = draw_budget(budget, y, rng), {}
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
            gold[weight], held_out[weight] = student.head.logits(x), student.held_out
        budgets[size] = Budget(rows, only, gold, held_out)

    l2 = cross_validated_l2(x[pool], y[pool], task.family[pool], seed=number, grid=CEILING_GRID, folds=3)
    ceiling = fit(x[pool], np.eye(k)[y[pool]], np.ones(len(pool)), l2).logits(x)
    similar = normalise(x) @ normalise(task.descriptions).T
    return Split(test, pool, mean, similar.argmax(axis=1), ceiling, teachers, budgets)


def _teachers(
    task: Task, taught: Rows, pool: Rows, rng: np.random.Generator
) -> dict[str, tuple[Floats, NDArray[np.bool_]]]:
    """By name, what a weak source says of all texts, and where it says nothing."""
    k, found = len(task.classes), {}
    if task.votes is not None:
        name = "rules" if task.name == "restricted" else "votes"
        p = (task.votes + 0.25) / (task.votes.sum(axis=1, keepdims=True) + 0.25 * k)
        if name == "rules":  # probabilities already
            p = np.where(task.votes.sum(axis=1, keepdims=True) > 0, task.votes, 1 / k)
        top = np.sort(task.votes, axis=1)
        found[name] = p, top[:, -1] == top[:, -2]
    if task.name != "restricted":
        rows = draw_budget(taught, task.y, rng)[:TEACHER_LABELS]
        words = TfidfVectorizer(min_df=1, sublinear_tf=True).fit([task.texts[i] for i in rows])
        model = MultinomialNB().fit(words.transform([task.texts[i] for i in rows]), task.y[rows])
        p = np.full((len(task.y), k), 1e-6)
        p[:, model.classes_] += model.predict_proba(words.transform(task.texts))
        p /= p.sum(axis=1, keepdims=True)
        sure = p.max(axis=1)
        found["nb"] = p, np.zeros(len(p), dtype=bool)
        found["nb-half"] = p, sure < np.median(sure[pool])
    return found
