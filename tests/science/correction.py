"""Does correcting weak labels set more of them right than wrong, and does the student gain by it?

`python tests/science/correction.py --data ../shared/data --cache /tmp/combination` prints the tables of the choice, and with
`--confirm` that of the other sets: docs/results/2026-12-01-correction.md.

Fixed before the first run. Sets: `read_task` of combination_tasks.py; chosen on the six of CHOOSING, confirmed on the six of CONFIRM,
each half once. Divisions: `divided` of combination_sources.py, three of each set; 64 gold labels of the budget; frozen MiniLM, heads
of l2 .3. Two teachers: *nb*, naive Bayes on 64 labels of its own, and *noise*, the truth with 30 % of the labels set to another
class by lot, .9 for the class that it names and the rest for the others.

Rows of the choice: evidence Students, Both, Either, NearestGold × mixture 1, .5 × heads brought to even classes (`even`) or as they
are × a guard by the budget (`net`: only if the net flips are above 0; `none`; `sure`: only if their interval is). All else is the
step's default. A cell is a set and a teacher, the mean of its divisions; the figure is macro-F1 of the student on the test, less that of
the student on the labels as they were. Chosen is the row of the largest mean over the twelve cells; of those within .002 of it, the first in
the order in which they are named here. It becomes the default, whatever it gives, and is then read on the other sets by the step
itself. Said beside it: accuracy of the pool's labels before and after, net flips of the pool by its hidden gold, what the
budget said of them, how often its interval held the pool's figure, and the student on the 64 labels alone.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from combination import macro_f1
from combination_sources import OTHER_L2, divided, teachers_of
from combination_tasks import CHOOSING, Task, read_task
from numpy.typing import NDArray
from selection import job_of

from w2s_api.methods.selection_steps import Correction
from w2s_trainer.models.head import cross_validated_l2, fit
from w2s_trainer.stages.select import correction, select
from w2s_trainer.stages.select.flips import flips
from w2s_trainer.stages.select.methods import Candidates
from w2s_trainer.stages.select.ordered import Ordered
from w2s_trainer.stages.select.trust import judge

CONFIRM = (
    "mr_sentence_polarity", "sms_spam", "subjectivity", "youtube_spam_weak", "scancode_licence_category", "lexglue_ledgar_1k",
)  # fmt: skip
SPLITS = 3
NOISE = 0.3
ROWS = list(product(("Students", "Both", "Either", "NearestGold"), ("1", "0.5"), ("even", "as they are")))
GUARDS = ("net", "none", "sure")
Floats = NDArray[np.float64]


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "combination")
    arguments.add_argument("--confirm", action="store_true", help="the step as it is, on the other sets")
    arguments.add_argument("--processes", type=int, default=2)
    given = arguments.parse_args()
    began = time.monotonic()
    if given.confirm:
        _confirm(given)
    else:
        _choose(given)
    print(f"\n{time.monotonic() - began:.0f} s.")


def jobs(
    task: Task, number: int
) -> Iterator[tuple[str, Floats, NDArray[np.str_], NDArray[np.int64], NDArray[np.int64]]]:
    """Of each teacher its name, what it says, the part of each text, and rows of test and pool."""
    test, taught, budget, pool = divided(task, number)
    parts = np.full(len(task.y), "elsewhere")
    parts[test], parts[budget], parts[pool] = "test", "budget", "pool"
    k, rng = len(task.classes), np.random.default_rng([20261201, number])
    other = (task.y + rng.integers(1, k, len(task.y))) % k
    label = np.where(rng.random(len(task.y)) < NOISE, other, task.y)
    noisy = np.where(np.eye(k)[label] == 1, 0.9, 0.1 / (k - 1))
    yield "nb", teachers_of(task, taught, pool)["nb"][0], parts, test, pool
    yield "noise", noisy, parts, test, pool


def _choose(given: argparse.Namespace) -> None:
    gains: dict[tuple[str, ...], dict[tuple[str, str], list[float]]] = {}
    nets: dict[tuple[str, ...], list[tuple[float, bool]]] = {}
    with ProcessPoolExecutor(given.processes, mp_context=get_context("spawn")) as pool:
        divisions = [(name, number, given) for name in CHOOSING for number in range(SPLITS)]
        for cell, row, gain, net, held, verdicts in (
            one for found in pool.map(_of_division, divisions) for one in found
        ):
            for guard, passes in zip(GUARDS, verdicts, strict=True):
                gains.setdefault((*row, guard), {}).setdefault(cell, []).append(gain * passes)
                nets.setdefault((*row, guard), []).append((net * passes, held))
    print(
        "What each row adds to macro-F1 of the student, mean of the cells of each teacher and of all; lowest cell;"
    )
    print(
        "net flips of the pool per 100 labels; in how many of the jobs the budget's interval, without the guard, held those.\n"
    )
    print(
        "| evidence | mixture | heads | guard | nb | noise | mean | lowest | net flips | held |\n"
        + "|---" * 10
        + "|"
    )
    for row, cells in gains.items():
        mean = {cell: np.mean(found) for cell, found in cells.items()}
        by = [
            np.mean([value for (_, of), value in mean.items() if of == teacher])
            for teacher in ("nb", "noise")
        ]
        figures = [*by, np.mean(list(mean.values())), min(mean.values())]
        shown = " | ".join(f"{value:+.3f}" for value in figures)
        print(
            f"| {' | '.join(row)} | {shown} | {100 * np.mean([net for net, _ in nets[row]]):+.1f} |"
            f" {np.mean([held for _, held in nets[row]]):.2f} |"
        )


def _of_division(division: tuple[str, int, argparse.Namespace]) -> list[tuple[Any, ...]]:
    """Of each teacher of a division and each row its cell, the row, and what `_of_rows` says of it."""
    name, number, given = division
    task = read_task(name, given.data, given.cache)
    return [((name, teacher), *of) for teacher, *job in jobs(task, number) for of in _of_rows(task, *job)]


def _of_rows(
    task: Task, said: Floats, parts: NDArray[np.str_], test: NDArray[np.int64], pool: NDArray[np.int64]
) -> Iterator[tuple[tuple[str, str, str], float, float, bool, tuple[bool, bool, bool]]]:
    """Of each row its gain without a guard, net flips as a share of the pool, whether the budget's interval holds these, and what
    each guard says."""
    context, examples, labels, sights = job_of(task, said, parts, [])
    candidates = Candidates(context, examples, sights, labels[-1], 0, pool, np.ones(len(pool)))
    texts, judged, settings = Ordered.of(candidates), judge(candidates), Correction()
    rows, n = pool[texts.places], len(pool)
    evidence = {"even": correction.gather(settings, candidates, texts, judged.rows)}
    with patch("w2s_trainer.stages.select.disjoint.of_even_classes", lambda found, *_: found):
        evidence["as they are"] = correction.gather(settings, candidates, texts, judged.rows)
    plain = _student(task, rows, said[rows], test)
    for kind, mixture, heads in ROWS:
        known = evidence[heads]
        proposed, support = correction.proposals(known, kind, 1.0)
        after = correction.changed(known, proposed, support, 0.5)
        moved = after[:n] != known.labels[:n]
        targets = said[rows].copy()
        for place in np.flatnonzero(moved):
            targets[place] = correction.mixed(targets[place], int(after[place]), float(mixture))
        found = flips(known.labels[n:], after[n:], task.y[judged.rows], judged.families)
        truth = task.y[rows]
        net = float((after[:n] == truth).mean() - (known.labels[:n] == truth).mean())
        verdicts = (not correction.against(found), True, found.net.low > 0)
        gain, held = _student(task, rows, targets, test) - plain, found.net.low <= net <= found.net.high
        yield (kind, mixture, heads), gain, net, held, verdicts


def _student(task: Task, rows: NDArray[np.int64], targets: Floats, test: NDArray[np.int64]) -> float:
    head = fit(task.features[rows], targets, np.ones(len(rows)), OTHER_L2)
    decided = head.probabilities(task.features[test]).argmax(axis=1)
    return macro_f1(task.y[test], decided, len(task.classes))


def _confirm(given: argparse.Namespace) -> None:
    print("| set | teacher | labels right, before → after | net flips per 100: pool | budget said | labels changed |"
          " plain | corrected | difference (lowest to highest) | 64 gold labels |\n" + "|---" * 10 + "|")  # fmt: skip
    means = []
    for name in CONFIRM:
        task, found = read_task(name, given.data, given.cache), {}
        for number in range(SPLITS):
            for teacher, *job in jobs(task, number):
                found.setdefault(teacher, []).append(_of_step(task, *job))
        for teacher, splits in found.items():
            mean = {key: np.mean([one[key] for one in splits]) for key in splits[0]}
            gains = [one["corrected"] - one["plain"] for one in splits]
            means.append(np.mean(gains))
            print(
                f"| {name} | {teacher} | {mean['before']:.3f} → {mean['after']:.3f} | {100 * mean['net']:+.1f} |"
                f" {100 * mean['said']:+.1f} | {mean['share']:.2f} | {mean['plain']:.3f} | {mean['corrected']:.3f} |"
                f" {np.mean(gains):+.3f} ({min(gains):+.3f} to {max(gains):+.3f}) | {mean['gold']:.3f} |",
                flush=True,
            )
    print(f"\nMean difference of the cells {np.mean(means):+.3f}, lowest {min(means):+.3f}.")


def _of_step(
    task: Task, said: Floats, parts: NDArray[np.str_], test: NDArray[np.int64], pool: NDArray[np.int64]
) -> dict[str, Any]:
    """Figures of one job: the step as its defaults have it."""
    job = job_of(task, said, parts, [{"type": "Correction", "correction": {}}])
    (one,) = select(*job).values()
    figures, truth = one.audit[0]["figures"], task.y[pool]
    before, after = said[pool].argmax(axis=1), one.left.targets.argmax(axis=1)
    budget = one.left.budget
    known, k = task.y[budget], len(task.classes)
    l2 = cross_validated_l2(task.features[budget], known, task.family[budget], seed=0)
    gold = fit(task.features[budget], np.eye(k)[known], np.ones(len(known)), l2)
    return {
        "before": (before == truth).mean(),
        "after": (after == truth).mean(),
        "net": (after == truth).mean() - (before == truth).mean(),
        "said": figures["budget"]["netShare"]["estimate"],
        "share": figures["changed"] / len(pool),
        "plain": _student(task, pool, said[pool], test),
        "corrected": _student(task, pool, one.left.targets, test),
        "gold": macro_f1(task.y[test], gold.probabilities(task.features[test]).argmax(axis=1), k),
    }


if __name__ == "__main__":
    main()
