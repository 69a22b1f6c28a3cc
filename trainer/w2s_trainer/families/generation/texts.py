"""Texts as arrays of objects."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def texts_of(texts: Sequence[Any]) -> NDArray[np.object_]:
    """Texts as str[n], an array of objects: numpy would otherwise make each as wide as the longest."""
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array
