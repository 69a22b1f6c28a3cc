"""Good teachers, made up and real, for combination_reliability.py, which says what each is; kept in a cache."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from combination_sources import L2, OTHER_L2, Split, Teacher, divided, kept_in, read_split
from combination_tasks import Task
from does_it_pay.keyword_rules import keyword_rules
from numpy.typing import NDArray

from w2s_trainer.models.head import fit

KEYWORD_TEXTS = 50
RIGHT = (60, 75, 85, 90, 95, 97)
SMOOTHING = 0.25
"""Of votes, a class: as labelers of rules have it."""
FLAT, SHARP = 1 / 3, 0.99

Floats = NDArray[np.float64]
Said = dict[str, tuple[Floats, NDArray[np.bool_]]]
"""By name, probabilities float64[n, K] and where the teacher is silent, bool[n]."""


def read_with_teachers(task: Task, number: int, cache: Path) -> Split:
    """A split of combination.py with these teachers beside its own."""
    split = read_split(task, number, cache)
    path = cache / f"good-teachers-1-{task.name}-{number}.npz"
    return replace(split, teachers=split.teachers | kept_in(path, lambda: _taught(task, number, split)))


def _taught(task: Task, number: int, split: Split) -> dict[str, Teacher]:
    teachers = {}
    for name, (p, abstain) in good_teachers(task, number, split).items():
        covered = split.pool[~abstain[split.pool]]
        l2 = L2.get(task.name, OTHER_L2)
        head = fit(task.features[covered], p[covered], np.ones(len(covered)), l2, split.mean)
        teachers[name] = Teacher(p, abstain, head.logits(task.features))
    return teachers


def good_teachers(task: Task, number: int, split: Split) -> Said:
    """What each says of all texts."""
    k, families = len(task.classes), int(task.family.max()) + 1
    rng = np.random.default_rng([20261130, number])
    luck, step = rng.random(families)[task.family], rng.integers(1, k, families)[task.family]
    answers = (rng.random(families) < 0.5)[task.family]
    never = np.zeros(len(task.y), dtype=bool)
    decided = {a: np.where(luck < a / 100, task.y, (task.y + step) % k) for a in RIGHT}
    found: Said = {f"sim-{a}": (of_votes(said, k), never) for a, said in decided.items()}
    found["half-95"] = of_votes(decided[95], k), ~answers
    found["hard-95"] = of_votes(_wrong_where_hard(task, split, 0.05), k), never
    flat = of_votes(decided[95], k) ** FLAT
    found["flat-95"] = flat / flat.sum(axis=1, keepdims=True), never
    sharp = np.full((len(task.y), k), (1 - SHARP) / (k - 1))
    sharp[np.arange(len(task.y)), decided[75]] = SHARP
    found["sharp-75"] = sharp, never
    taught = divided(task, number)[1][:KEYWORD_TEXTS]
    if len(taught):
        found["keywords"] = _keywords(task, taught)
    return found


def of_votes(said: NDArray[np.int64], k: int) -> Floats:
    """Probabilities float64[n, K] of one vote each, int64[n]."""
    return np.asarray((np.eye(k)[said] + SMOOTHING) / (1 + SMOOTHING * k))


def _wrong_where_hard(task: Task, split: Split, share: float) -> NDArray[np.int64]:
    """Right but in a share of the texts: there the likeliest wrong class of the head on all gold labels of the pool."""
    each = np.arange(len(task.y))
    others = split.ceiling.copy()
    others[each, task.y] = -np.inf
    margin = split.ceiling[each, task.y] - others.max(axis=1)
    return np.where(margin <= np.quantile(margin, share), others.argmax(axis=1), task.y)


def _keywords(task: Task, taught: NDArray[np.int64]) -> tuple[Floats, NDArray[np.bool_]]:
    k = len(task.classes)
    rules = keyword_rules([task.texts[row] for row in taught], [task.classes[task.y[row]] for row in taught])
    votes = np.zeros((len(task.y), k))
    texts = [" ".join(re.findall(r"[^\W\d_]+", text.lower())) for text in task.texts]
    for name, term in rules:
        votes[:, task.classes.index(name)] += [f" {term} " in f" {text} " for text in texts]
    total = votes.sum(axis=1, keepdims=True)
    return (votes + SMOOTHING) / (total + SMOOTHING * k), total[:, 0] == 0
