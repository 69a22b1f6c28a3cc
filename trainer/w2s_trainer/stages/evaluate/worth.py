"""Worth in expert labels: where the student meets the gold-only curve (docs/protocol.md). Pure."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Censored = Literal["exact", "fewer", "at least"]


@dataclass(frozen=True)
class Labels:
    """A number of labels, or a bound on it."""

    count: int
    bound: Censored

    def __str__(self) -> str:
        return {
            "exact": f"{self.count}",
            "fewer": f"fewer than {self.count}",
            "at least": f"at least {self.count}",
        }[self.bound]

    def to_json(self) -> dict[str, int | str]:
        """The number, what it bounds, and both in words."""
        return {"labels": self.count, "bound": self.bound, "text": str(self)}


def isotonic(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest non-decreasing sequence in least squares, by pooling adjacent violators: float64[m]."""
    blocks: list[list[float]] = []
    for value in values:
        blocks.append([float(value), 1.0])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (mean, size), (last, more) = blocks[-2], blocks[-1]
            blocks[-2:] = [[(mean * size + last * more) / (size + more), size + more]]
    return np.concatenate([np.full(int(size), mean) for mean, size in blocks])


def meeting(sizes: NDArray[np.int64], curve: NDArray[np.float64], value: float) -> float:
    """log2 of the labels at which the curve reaches a value; -inf below its first point, inf if never.

    Args:
        sizes: int64[m], ascending.
        curve: float64[m], the metric at each size.
        value: of the student.
    """
    smooth = isotonic(curve)
    if value < smooth[0]:
        return -np.inf
    if value > smooth[-1]:
        return np.inf
    reached = int(np.argmax(smooth >= value))
    if reached == 0:
        return float(np.log2(sizes[0]))
    left, right = smooth[reached - 1], smooth[reached]
    share = (value - left) / (right - left)
    return float(np.log2(sizes[reached - 1]) + share * np.log2(sizes[reached] / sizes[reached - 1]))


def worth(
    sizes: NDArray[np.int64],
    curve: NDArray[np.float64],
    value: float,
    curve_replicates: NDArray[np.float64],
    value_replicates: NDArray[np.float64],
) -> tuple[Labels, Labels, Labels]:
    """Estimate, lower and upper end of the 95 % interval.

    Args:
        sizes: int64[m], ascending.
        curve: float64[m].
        value: of the student.
        curve_replicates: float64[m, B].
        value_replicates: float64[B].
    """
    meetings = np.array(
        [
            meeting(sizes, curve_replicates[:, b], float(value_replicates[b]))
            for b in range(len(value_replicates))
        ]
    )
    low, high = np.quantile(meetings, [0.025, 0.975], method="inverted_cdf")
    return (
        _labels(sizes, meeting(sizes, curve, value)),
        _labels(sizes, float(low)),
        _labels(sizes, float(high)),
    )


def _labels(sizes: NDArray[np.int64], log_labels: float) -> Labels:
    if log_labels == -np.inf:
        return Labels(int(sizes[0]), "fewer")
    if log_labels == np.inf:
        return Labels(int(sizes[-1]), "at least")
    return Labels(round(2**log_labels), "exact")
