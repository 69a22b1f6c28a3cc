"""What came of the jobs, by the protocol's primary comparison. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from scipy.stats import t as student_t

from w2s_trainer.stages.evaluate.worth import meeting

from .cells import CURVE_BUDGET, CURVE_SOURCE, Cell
from .declared import METRIC, MODEL_TEXTS, RULE_TEXTS, SETS

BASELINES = ("weak", "gold-only", "zero-shot")
REGRET = -0.01
WORTH_GOAL = 128


@dataclass(frozen=True)
class Outcome:
    """One job that came to its end."""

    cell: Cell
    arms: Mapping[str, float]
    """The metric of each arm."""
    best: str
    """Of the baselines."""
    gain: float
    low: float
    high: float
    worth: float | None
    """In expert labels, from 16 to 256; None while the curve is not there."""
    known: Mapping[str, Any]

    @property
    def pays(self) -> bool:
        """Clearly better than the best of the baselines."""
        return self.low > 0

    @property
    def without_regret(self) -> bool:
        """The lower bound is above −1 point."""
        return self.low > REGRET

    @property
    def half(self) -> str:
        """That its task belongs to."""
        return SETS[self.cell.task].half


def cell_of(name: str) -> Cell:
    """The job of a name."""
    task, source, budget, student = name.split(".")
    return Cell(task, source, int(budget), student)


def outcomes(records: Iterable[Mapping[str, Any]]) -> list[Outcome]:
    """Of all records of jobs that did not fail, in their order."""
    well = [record for record in records if "results" in record]
    curves = {
        cell_of(record["cell"]): record["results"]["evaluation"]["goldOnlyCurve"]
        for record in well
        if cell_of(record["cell"]).budget == CURVE_BUDGET
    }
    return [_outcome(cell_of(record["cell"]), record, curves) for record in well]


def _outcome(
    cell: Cell, record: Mapping[str, Any], curves: Mapping[Cell, Sequence[Mapping[str, Any]]]
) -> Outcome:
    evaluation = record["results"]["evaluation"]
    arms = {arm["arm"]: arm["metrics"][METRIC]["estimate"] for arm in evaluation["arms"]}
    best = max(BASELINES, key=lambda name: arms.get(name, -1.0))
    against = next(one for one in evaluation["comparisons"] if one["baseline"] == best)
    # Jobs with a prompted labeler have a smaller test, and so a curve of their own.
    source = cell.source if cell.source == "prompted" else CURVE_SOURCE
    curve = curves.get(Cell(cell.task, source, CURVE_BUDGET, cell.student))
    return Outcome(
        cell,
        arms,
        best,
        against["estimate"],
        against["low"],
        against["high"],
        None if curve is None else worth_on(curve, arms["combined"]),
        record["known"],
    )


def worth_on(curve: Sequence[Mapping[str, Any]], value: float) -> float:
    """Expert labels at which a gold-only curve reaches a value; its ends where it does so before or never."""
    sizes = np.array([point["labels"] for point in curve])
    labels = meeting(sizes, np.array([point["estimate"] for point in curve]), value)
    return float(np.clip(2**labels, sizes[0], sizes[-1]))


def texts_behind(cell: Cell) -> int:
    """Labelled texts that the weak source of a job was made from, where they are of the same set."""
    one = SETS[cell.task]
    rules = 0 if one.licences else RULE_TEXTS
    model = MODEL_TEXTS if one.elsewhere and not one.other_domain else 0
    return {"rules": rules, "elsewhere": model, "union": rules + model}.get(cell.source, 0)


@dataclass(frozen=True)
class Goals:
    """The three goals over some jobs."""

    jobs: int
    without_regret: int
    clearly_better: int
    lost: int
    """Whose upper bound is below 0."""
    median_gain: float
    median_worth: float | None
    worth_more_than_spent: tuple[int, int]
    """Jobs worth more than their budget and the texts behind their source, of those whose worth is known."""

    @property
    def met(self) -> tuple[bool, bool, bool]:
        """Whether each of them is reached."""
        worth = self.median_worth is not None and self.median_worth >= WORTH_GOAL
        return self.without_regret == self.jobs, 2 * self.clearly_better >= self.jobs, worth


def goals(found: Sequence[Outcome]) -> Goals:
    """Of at least one job."""
    worths = [(one, one.worth) for one in found if one.worth is not None]
    return Goals(
        len(found),
        sum(one.without_regret for one in found),
        sum(one.pays for one in found),
        sum(one.high < 0 for one in found),
        median(one.gain for one in found),
        median(worth for _, worth in worths) if worths else None,
        (sum(worth > one.cell.budget + texts_behind(one.cell) for one, worth in worths), len(worths)),
    )


def tasks_met(found: Sequence[Outcome]) -> tuple[int, int, int]:
    """Tasks, those without regret in any job, and those clearly better in at least half of their jobs."""
    by_task: dict[str, list[Outcome]] = {}
    for one in found:
        by_task.setdefault(one.cell.task, []).append(one)
    return (
        len(by_task),
        sum(all(one.without_regret for one in mine) for mine in by_task.values()),
        sum(2 * sum(one.pays for one in mine) >= len(mine) for mine in by_task.values()),
    )


def mean_over_tasks(found: Sequence[Outcome]) -> tuple[float, float, float]:
    """The mean gain of tasks, each the mean of its jobs, with a 95 % interval over the tasks (Student's t); of two at least."""
    by_task: dict[str, list[float]] = {}
    for one in found:
        by_task.setdefault(one.cell.task, []).append(one.gain)
    means = np.array([np.mean(mine) for mine in by_task.values()])
    half = student_t.ppf(0.975, len(means) - 1) * means.std(ddof=1) / np.sqrt(len(means))
    return float(means.mean()), float(means.mean() - half), float(means.mean() + half)
