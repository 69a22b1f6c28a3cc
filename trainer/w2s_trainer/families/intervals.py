"""How sure a share of some texts is, where texts of a family tell the same. Pure."""

import math

import numpy as np
from numpy.typing import NDArray

Z = 1.959964
"""Standard normal quantile of a two-sided interval of 95 %."""


def effective_size(families: NDArray[np.int64]) -> float:
    """Independent rows that a sample is worth if rows of a family tell the same: (Σm)² / Σm² (Kish 1965).

    Args:
        families: int64[n], the family of each row; m are the sizes of the families.
    """
    sizes = np.unique(families, return_counts=True)[1].astype(np.float64)
    return float(sizes.sum() ** 2 / (sizes**2).sum()) if len(sizes) else 0.0


def share_interval(share: float, size: float) -> tuple[float, float]:
    """The 95 % interval of a share of so many independent rows (Wilson 1927); from 0 to 1 without rows.

    The mean of scores from 0 to 1 varies no more than a share, so that the interval is valid for it too.

    Args:
        share: from 0 to 1.
        size: independent rows; it need not be a whole number.
    """
    if size <= 0:
        return 0.0, 1.0
    middle = share + Z**2 / (2 * size)
    spread = Z * math.sqrt(share * (1 - share) / size + Z**2 / (4 * size**2))
    whole = 1 + Z**2 / size
    return max(0.0, (middle - spread) / whole), min(1.0, (middle + spread) / whole)
