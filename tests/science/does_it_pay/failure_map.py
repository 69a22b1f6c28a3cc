"""Predicts from what is known beforehand whether a job will pay; chosen on half of the tasks, measured on the other. Pure."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from .predictors import PREDICTORS

MOST_PREDICTORS = 3
NEAR = 0.005
STEPS, TOLERANCE = 50, 1e-9
MARGIN, CONFIDENCE, RESAMPLES = 0.05, 0.95, 2000

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Jobs:
    """n jobs."""

    x: Floats
    """float64[n, P], the predictors in order; NaN: unknown."""
    pays: NDArray[np.bool_]
    """bool[n]."""
    task: NDArray[np.str_]
    """str[n]."""

    def some(self, rows: NDArray[np.bool_]) -> "Jobs":
        """Those of a mask."""
        return Jobs(self.x[rows], self.pays[rows], self.task[rows])


@dataclass(frozen=True)
class Map:
    """A logistic regression on some predictors."""

    predictors: tuple[str, ...]
    mean: Floats
    scale: Floats
    weights: Floats
    """float64[1 + number of predictors], the intercept first; of standardised predictors."""

    def probability(self, x: Floats) -> Floats:
        """That jobs pay: float64[n]. What is unknown counts as the mean of the jobs that it was fitted on."""
        z = (_columns(x, self.predictors) - self.mean) / self.scale
        return np.asarray(1 / (1 + np.exp(-(self.weights[0] + np.nan_to_num(z) @ self.weights[1:]))))


def fit(jobs: Jobs, predictors: tuple[str, ...]) -> Map:
    """The maximum of the penalised likelihood (½ of the squared weights, the intercept unpenalised)."""
    x = _columns(jobs.x, predictors)
    there = np.logical_not(np.isnan(x).all(axis=0))
    mean = np.array([np.nanmean(x[:, p]) if there[p] else 0.0 for p in range(x.shape[1])])
    spread = np.array([np.nanstd(x[:, p]) if there[p] else 0.0 for p in range(x.shape[1])])
    scale = np.where(spread > 0, spread, 1.0)
    z = np.hstack([np.ones((len(x), 1)), np.nan_to_num((x - mean) / scale)])
    # Half a job more on each side keeps the intercept finite where all jobs come out alike.
    if jobs.pays.all() or not jobs.pays.any():
        share = (jobs.pays.sum() + 0.5) / (len(x) + 1)
        weights = np.array([np.log(share / (1 - share)), *np.zeros(x.shape[1])])
    else:
        weights = _newton(z, np.where(jobs.pays, 1.0, -1.0))
    return Map(predictors, mean, scale, weights)


def _newton(z: Floats, sign: Floats) -> Floats:
    """The minimum of Σ log(1 + exp(−sign · z w)) + ½ ‖w‖² without its first entry: float64[P], by damped Newton steps."""
    penalty = np.ones(z.shape[1])
    penalty[0] = 0

    def loss(w: Floats) -> float:
        return float(np.logaddexp(0, -sign * (z @ w)).sum() + (penalty * w * w).sum() / 2)

    w = np.zeros(z.shape[1])
    for _ in range(STEPS):
        wrong = 1 / (1 + np.exp(sign * (z @ w)))
        slope = penalty * w - z.T @ (sign * wrong)
        step = np.linalg.solve((z.T * (wrong * (1 - wrong))) @ z + np.diag(penalty), slope)
        size = 1.0
        while loss(w - size * step) > loss(w) and size > 1e-6:
            size /= 2
        w = w - size * step
        if np.abs(slope).max() < TOLERANCE:
            break
    return w


def candidates() -> list[tuple[str, ...]]:
    """Sets of predictors, the smaller first, each in the order of the protocol."""
    small = [some for size in range(MOST_PREDICTORS + 1) for some in combinations(PREDICTORS, size)]
    return [*small, PREDICTORS]


def held_out_loss(jobs: Jobs, predictors: tuple[str, ...]) -> float:
    """Mean log loss of jobs whose task the map has not seen."""
    losses = np.empty(len(jobs.pays))
    for task in np.unique(jobs.task):
        mine = jobs.task == task
        p = fit(jobs.some(~mine), predictors).probability(jobs.x[mine])
        losses[mine] = -np.log(np.clip(np.where(jobs.pays[mine], p, 1 - p), 1e-12, 1))
    return float(losses.mean())


def choose(jobs: Jobs) -> tuple[Map, dict[tuple[str, ...], float]]:
    """The map of the protocol's rule, and the loss of every candidate; jobs of at least two tasks."""
    losses = {predictors: held_out_loss(jobs, predictors) for predictors in candidates()}
    least = min(losses.values())
    chosen = next(predictors for predictors, loss in losses.items() if loss <= least + NEAR)
    return fit(jobs, chosen), losses


@dataclass(frozen=True)
class Hits:
    """How often a map is right about jobs that it was not chosen on, beside the constant answer."""

    jobs: int
    rate: float
    low: float
    high: float
    constant: float
    better: float
    """The share of resamplings of the tasks in which the map is better than the constant answer."""
    warned: tuple[int, int]
    """Of the jobs that do not pay those that were foretold not to, and how many they are."""
    promised: tuple[int, int]
    """Of the jobs that were foretold to pay those that do, and how many they are."""

    @property
    def supported(self) -> bool:
        """Whether the data support the map, by the rule of the protocol."""
        return self.rate >= self.constant + MARGIN and self.better >= CONFIDENCE


def hits(found: Map, chosen_on: Jobs, jobs: Jobs, rng: np.random.Generator) -> Hits:
    """Measures a map once.

    Args:
        found: the map.
        chosen_on: whose more frequent answer is the constant one.
        jobs: of other tasks.
        rng: of the resamplings.
    """
    said = found.probability(jobs.x) >= 0.5
    constant = bool(2 * chosen_on.pays.sum() >= len(chosen_on.pays))
    right, even = said == jobs.pays, jobs.pays == constant
    tasks, place = np.unique(jobs.task, return_inverse=True)
    size = np.bincount(place)
    per_task = np.bincount(place, right), np.bincount(place, even)
    drawn = rng.integers(0, len(tasks), (RESAMPLES, len(tasks)))
    rates = per_task[0][drawn].sum(axis=1) / size[drawn].sum(axis=1)
    others = per_task[1][drawn].sum(axis=1) / size[drawn].sum(axis=1)
    low, high = np.quantile(rates, [0.025, 0.975])
    if (
        right.all()
    ):  # resamplings of no error show none: the exact bound (Clopper and Pearson 1934) on tasks without any
        low = 0.025 ** (1 / len(tasks))
    return Hits(
        len(jobs.pays),
        float(right.mean()),
        float(low),
        float(high),
        float(even.mean()),
        float((rates > others).mean()),
        (int((~said & ~jobs.pays).sum()), int((~jobs.pays).sum())),
        (int((said & jobs.pays).sum()), int(said.sum())),
    )


def _columns(x: Floats, predictors: tuple[str, ...]) -> Floats:
    return np.asarray(x[:, [PREDICTORS.index(name) for name in predictors]])
