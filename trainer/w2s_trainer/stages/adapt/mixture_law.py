"""Which share of general texts a domain is to be mixed with: a law through the losses of pilots. Pure.

At a fixed length of training both losses follow L(r) = α rˢ + β in the share r of the domain (Gu et al. 2024, arXiv
2407.17467: CMR scaling law). The law of Que et al. 2024 (arXiv 2406.01375, D-CPT) has a second term in r, for which it takes
more pilots.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_EXPONENTS = np.concatenate([-np.geomspace(8, 0.02, 200), np.geomspace(0.02, 8, 200)])
"""Where the exponent is looked for; so near to 0 the law is the logarithm."""
_GOLDEN = (5**0.5 - 1) / 2
GRID = 100
"""Fractions are chosen in steps of 1 / GRID."""


@dataclass(frozen=True)
class PowerLaw:
    """L(r) = α rˢ + β."""

    alpha: float
    exponent: float
    beta: float

    def __call__(self, fraction: float) -> float:
        """The loss at a share of general texts, 1 − r."""
        return float(self.alpha * (1 - fraction) ** self.exponent + self.beta)

    def to_json(self) -> dict[str, float]:
        """Its numbers."""
        return {
            "alpha": round(self.alpha, 6),
            "exponent": round(self.exponent, 6),
            "beta": round(self.beta, 6),
        }


@dataclass(frozen=True)
class Choice:
    """A share of general texts."""

    fraction: float
    limit: float
    """Which general loss is tolerated."""
    within: bool
    """Whether the law says that it is kept to."""


def fitted(fractions: Sequence[float], losses: Sequence[float]) -> PowerLaw:
    """The law with the least squares.

    For each exponent α and β are those of a line; the exponent is the best of a grid, refined by golden sections.

    Args:
        fractions: shares of general texts, n of them, at least 3, each below 1.
        losses: of the pilots.
    """
    shares, seen = 1 - np.asarray(fractions, float), np.asarray(losses, float)
    found = [_residual(shares, seen, exponent) for exponent in _EXPONENTS]
    best = int(np.argmin(found))
    low, high = _EXPONENTS[max(best - 1, 0)], _EXPONENTS[min(best + 1, len(_EXPONENTS) - 1)]
    if low < 0 < high:
        low, high = sorted((_EXPONENTS[best], low if _EXPONENTS[best] < 0 else high))
    for _ in range(100):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if _residual(shares, seen, left) <= _residual(shares, seen, right):
            high = right
        else:
            low = left
    exponent = (low + high) / 2
    alpha, beta = _line(shares, seen, exponent)
    return PowerLaw(alpha, float(exponent), beta)


def chosen(general: PowerLaw, before: float, tolerance: float, least: float, most: float) -> Choice:
    """The smallest share of general texts with which the general loss is predicted to stay tolerable.

    Args:
        general: the law of the general loss.
        before: that loss before the training.
        tolerance: by which share it may rise.
        least: the smallest share that was tried, and below which nothing is known.
        most: the largest; taken where none is tolerable.
    """
    limit = before * (1 + tolerance)
    inside = [step / GRID for step in range(GRID) if least <= step / GRID <= most]
    candidates = sorted({least, *inside, most})
    kept = next((fraction for fraction in candidates if general(fraction) <= limit), None)
    return Choice(most if kept is None else kept, limit, kept is not None)


def _line(shares: NDArray[np.float64], losses: NDArray[np.float64], exponent: float) -> tuple[float, float]:
    powers = shares**exponent
    centred = powers - powers.mean()
    alpha = float(centred @ losses / (centred @ centred))
    return alpha, float(losses.mean() - alpha * powers.mean())


def _residual(shares: NDArray[np.float64], losses: NDArray[np.float64], exponent: float) -> float:
    alpha, beta = _line(shares, losses, exponent)
    return float(np.square(alpha * shares**exponent + beta - losses).sum())
