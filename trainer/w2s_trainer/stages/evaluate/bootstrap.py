"""The paired bootstrap over families and seeds (docs/protocol.md, Intervals). Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

REPLICATES = 2000
ENOUGH_SEEDS = 5
"""From here on seeds are resampled; below, their spread enters by Student's t."""


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval."""

    estimate: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        """Rounded to six digits."""
        return {"estimate": round(self.estimate, 6), "low": round(self.low, 6), "high": round(self.high, 6)}


def family_weights(
    families: int, rng: np.random.Generator, replicates: int = REPLICATES
) -> NDArray[np.float64]:
    """How often each family is drawn: float64[B, F], rows sum to F."""
    return rng.multinomial(families, np.full(families, 1 / families), size=replicates).astype(np.float64)


def seed_draws(seeds: int, rng: np.random.Generator, replicates: int = REPLICATES) -> NDArray[np.int64]:
    """Which seeds each replicate has: int64[B, S]; all of them where there are too few to resample."""
    if seeds < ENOUGH_SEEDS:
        return np.broadcast_to(np.arange(seeds), (replicates, seeds))
    return rng.integers(0, seeds, size=(replicates, seeds))


def over_seeds(values: NDArray[np.float64], draws: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean over the drawn seeds: float64[B] of values float64[S, B] (S = 1: the same for every seed)."""
    if len(values) == 1:
        return np.asarray(values[0])
    return np.asarray(values[draws.T, np.arange(values.shape[1])].mean(axis=0))


def interval(points: NDArray[np.float64], replicates: NDArray[np.float64]) -> Interval:
    """The 95 % interval of a mean over seeds.

    Args:
        points: float64[S], the value on the test itself, by seed.
        replicates: float64[B], its bootstrap distribution (mean over seeds).
    """
    estimate = float(points.mean())
    low, high = np.nanquantile(replicates, [0.025, 0.975])
    seeds = len(points)
    if 1 < seeds < ENOUGH_SEEDS:
        spread = float(student.ppf(0.975, seeds - 1) * points.std(ddof=1) / np.sqrt(seeds))
        low = estimate - np.hypot(min(0.0, low - estimate), spread)
        high = estimate + np.hypot(max(0.0, high - estimate), spread)
    return Interval(estimate, float(low), float(high))
