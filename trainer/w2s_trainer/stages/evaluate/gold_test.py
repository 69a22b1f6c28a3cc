"""The gold test, and how it is read."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class GoldTest:
    """The texts that every arm is measured on."""

    gold: NDArray[np.int64]
    """int64[n], class indices."""
    families: NDArray[np.int64]
    """int64[n]; any numbers."""
    class_names: tuple[str, ...]
    metric: str
    """The declared one."""
    positive: int | None = None
    threshold: float = 0.5
