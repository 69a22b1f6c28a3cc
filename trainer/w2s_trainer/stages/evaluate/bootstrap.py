"""The paired bootstrap over families, with the spread of the seeds by Student's t (docs/protocol.md, Intervals). Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

REPLICATES = 2000


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval."""

    estimate: float
    low: float
    high: float

    def within(self, lowest: float, highest: float) -> "Interval":
        """Cut at the ends of what the value can be: Student's t knows no bounds."""
        return Interval(self.estimate, max(lowest, self.low), min(highest, self.high))

    def to_json(self) -> dict[str, float]:
        """Rounded to six digits."""
        return {"estimate": round(self.estimate, 6), "low": round(self.low, 6), "high": round(self.high, 6)}


def family_weights(
    families: int, rng: np.random.Generator, replicates: int = REPLICATES
) -> NDArray[np.float64]:
    """How often each family is drawn: float64[B, F], rows sum to F."""
    return rng.multinomial(families, np.full(families, 1 / families), size=replicates).astype(np.float64)


@dataclass(frozen=True)
class SeedShares:
    """With what share each seed enters the mean of a replicate: float64[B, S] each, rows sum to 1."""

    for_intervals: NDArray[np.float64]
    """Equal: `interval` adds the spread of the seeds."""
    for_functions: NDArray[np.float64]
    """With the spread of the seeds in it, for what is no difference of means: worth, PGR."""


def seed_shares(seeds: int, rng: np.random.Generator, replicates: int = REPLICATES) -> SeedShares:
    """Shares of S seeds in B replicates.

    Seeds are too few to be resampled (docs/design/2026-11-21-seed-intervals.md). `for_functions` moves the mean
    of every arm at once by c = (g − mean g) / √(S (S − 1) u), with g standard normal for each seed and
    u = χ²(S − 1) / (S − 1): then the mean of any difference of arms moves by s/√S times a Student t of S − 1
    degrees of freedom, which is just the spread that `interval` adds.
    """
    equal = np.full((replicates, seeds), 1 / seeds)
    if seeds == 1:
        return SeedShares(equal, equal)
    normal = rng.standard_normal((replicates, seeds))
    u = rng.chisquare(seeds - 1, size=(replicates, 1)) / (seeds - 1)
    moved = (normal - normal.mean(axis=1, keepdims=True)) / np.sqrt(seeds * (seeds - 1) * u)
    return SeedShares(equal, equal + moved)


def over_seeds(values: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over seeds by their shares float64[B, S]: float64[B] of values float64[S, B].

    An arm of one row (S = 1) is the same for every seed.
    """
    if len(values) == 1:
        return np.asarray(values[0])
    return np.asarray(np.einsum("sb,bs->b", values, shares))


def interval(points: NDArray[np.float64], replicates: NDArray[np.float64]) -> Interval:
    """The 95 % interval of a mean over seeds.

    Args:
        points: float64[S], the value on the test itself, by seed.
        replicates: float64[B], its bootstrap distribution (mean over seeds).
    """
    estimate = float(points.mean())
    low, high = np.nanquantile(replicates, [0.025, 0.975])
    seeds = len(points)
    if seeds > 1:
        spread = float(student.ppf(0.975, seeds - 1) * points.std(ddof=1) / np.sqrt(seeds))
        low = estimate - np.hypot(min(0.0, low - estimate), spread)
        high = estimate + np.hypot(max(0.0, high - estimate), spread)
    return Interval(estimate, float(low), float(high))
