"""A judge's ratings of a sample, distilled into a ridge regression that rates the rest. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.models.head import folds_of, normalise

GRID = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""L2 strengths that cross-validation chooses from; rows are blocks of unit length."""
LEAST_RATED = 32
"""Ratings below which nothing is distilled."""
_CHUNK = 65_536


@dataclass(frozen=True)
class Ridge:
    """w · (x − mean) + b on rows x."""

    weight: NDArray[np.float64]
    """float64[d]."""
    bias: float
    mean: NDArray[np.float64]
    """float64[d]."""

    def __call__(self, rows: NDArray[np.floating]) -> NDArray[np.float64]:
        """float64[n] of rows float[n, d]."""
        return np.asarray((rows - self.mean) @ self.weight + self.bias)


def fit_ridge(rows: NDArray[np.floating], targets: NDArray[np.float64], l2: float) -> Ridge:
    """Minimises Σᵢ (yᵢ − w · (xᵢ − mean) − b)² + l2 ‖w‖², exactly, in the smaller of the two spaces.

    Args:
        rows: float[n, d].
        targets: float64[n].
        l2: above 0.
    """
    mean, bias = rows.mean(axis=0, dtype=np.float64), float(targets.mean())
    x, y = rows - mean, targets - bias
    if len(x) < x.shape[1]:
        weight = x.T @ np.linalg.solve(x @ x.T + l2 * np.eye(len(x)), y)
    else:
        weight = np.linalg.solve(x.T @ x + l2 * np.eye(x.shape[1]), x.T @ y)
    return Ridge(weight, bias, mean)


@dataclass(frozen=True)
class Distilled:
    """A regression on ratings, and what it said of those that it had not seen."""

    ridge: Ridge
    l2: float
    ratings: NDArray[np.float64]
    """float64[m], by the judge."""
    out_of_fold: NDArray[np.float64]
    """float64[m], by regressions that saw no text of the family."""
    base: NDArray[np.float64]
    """float64[m], the mean rating of the same other families."""

    @property
    def gain(self) -> float:
        """By how much its mean squared error is smaller than that of saying the mean of every text."""
        return float(self._gains.mean())

    @property
    def error(self) -> float:
        """The standard error of the gain."""
        return float(self._gains.std(ddof=1) / np.sqrt(len(self.ratings)))

    @property
    def _gains(self) -> NDArray[np.float64]:
        return np.asarray((self.ratings - self.base) ** 2 - (self.ratings - self.out_of_fold) ** 2)

    @property
    def learnt(self) -> bool:
        """Whether it is better by more than the standard error."""
        return self.gain > self.error

    def to_json(self) -> dict[str, Any]:
        """How far it agrees with the judge, for the audit: out of fold, families held out whole."""
        return {
            "l2": self.l2,
            "correlation": correlation(self.ratings, self.out_of_fold),
            "rankCorrelation": correlation(_ranks(self.ratings), _ranks(self.out_of_fold)),
            "squaredError": round(float(((self.ratings - self.out_of_fold) ** 2).mean()), 6),
            "baseSquaredError": round(float(((self.ratings - self.base) ** 2).mean()), 6),
            "standardError": round(self.error, 6),
        }


def cannot_distil(ratings: NDArray[np.float64], families: NDArray[np.int64]) -> str:
    """Why ratings float64[m] of texts of families int64[m] cannot be distilled, a clause; empty if they may be."""
    if len(ratings) < LEAST_RATED:
        return f"the judge rated {len(ratings)} texts, and it takes {LEAST_RATED} to learn from"
    if len(np.unique(families)) < 2:
        return f"the {len(ratings)} texts that the judge rated are one family, so that none can be held out"
    if np.ptp(ratings) < 1e-6:
        return "the judge rated all texts alike"
    return ""


def distil(
    rows: NDArray[np.floating],
    ratings: NDArray[np.float64],
    families: NDArray[np.int64],
    folds: int,
    seed: int,
    grid: Sequence[float] = GRID,
) -> Distilled:
    """A regression on ratings, its strength chosen by families held out (of equals the strongest).

    Args:
        rows: float[m, d] of rated texts.
        ratings: float64[m].
        families: int64[m], two different ones at least.
        folds: into which they are dealt, at most.
        seed: deals them.
        grid: strengths to choose from.
    """
    from threadpoolctl import threadpool_limits

    fold = folds_of(families, seed, folds)
    base = np.empty(len(ratings))
    for number in np.unique(fold):
        base[fold == number] = ratings[fold != number].mean()
    with threadpool_limits(1, user_api="blas"):
        tried = {l2: _out_of_fold(rows, ratings, fold, l2) for l2 in sorted(grid, reverse=True)}
        l2 = min(tried, key=lambda one: float(((ratings - tried[one]) ** 2).sum()))
        return Distilled(fit_ridge(rows, ratings, l2), l2, ratings, tried[l2], base)


def _out_of_fold(
    rows: NDArray[np.floating], ratings: NDArray[np.float64], fold: NDArray[np.int64], l2: float
) -> NDArray[np.float64]:
    found = np.empty(len(ratings))
    for number in np.unique(fold):
        inside = fold != number
        found[~inside] = fit_ridge(rows[inside], ratings[inside], l2)(rows[~inside])
    return found


def blocks(*parts: NDArray[np.floating]) -> NDArray[np.float32]:
    """Blocks float[n, d] side by side, each centred and its rows brought to unit length, with their product where two are of
    one width: what a regression reads of n texts, float32[n, …].

    A text and what was said of it are two blocks; their product tells where both point the same way.
    """
    unit = [normalise(part - part.mean(axis=0, dtype=np.float64)).astype(np.float32) for part in parts]
    if len(unit) > 1 and unit[0].shape[1] == unit[1].shape[1]:
        unit.append(normalise(unit[0] * unit[1]).astype(np.float32))
    return np.hstack(unit)


def rate_all(ridge: Ridge, rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """Ratings float64[n] of rows float[n, d], so many at once that no second copy is made."""
    return np.concatenate([ridge(rows[start : start + _CHUNK]) for start in range(0, len(rows), _CHUNK)])


def correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Pearson's; 0 where one of the two is constant."""
    if not len(one) or np.ptp(one) < 1e-12 or np.ptp(other) < 1e-12:
        return 0.0
    return round(float(np.corrcoef(one, other)[0, 1]), 6)


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.stats import rankdata

    return np.asarray(rankdata(values))
