"""How far probabilities can be believed (docs/protocol.md, Metrics). Pure."""

import numpy as np
from numpy.typing import NDArray

ECE_BINS = 15


def brier(gold: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    """Brier score, the mean of Σₖ (pₖ − 1[y = k])², 0 to 2 (Brier 1950).

    Args:
        gold: int64[n].
        probabilities: float64[n, K].
    """
    truth = np.eye(probabilities.shape[1])[gold]
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())


def log_loss(gold: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    """Mean of −ln p of the right class, in nats; p is kept above 2⁻⁵², so that a sure error stays finite.

    Args:
        gold: int64[n].
        probabilities: float64[n, K].
    """
    right = probabilities[np.arange(len(gold)), gold]
    return float(-np.log(np.clip(right, np.finfo(np.float64).eps, 1.0)).mean())


def calibration_bins(
    gold: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> list[dict[str, float | int]]:
    """Counts in fifteen bins of equal width over the likeliest class's probability: low, high, n, mean, right."""
    sure, decided = probabilities.max(axis=1), probabilities.argmax(axis=1)
    place = np.clip((sure * ECE_BINS).astype(int), 0, ECE_BINS - 1)
    bins: list[dict[str, float | int]] = []
    for number in range(ECE_BINS):
        members = place == number
        if members.any():
            bins.append(
                {
                    "low": number / ECE_BINS,
                    "high": (number + 1) / ECE_BINS,
                    "n": int(members.sum()),
                    "probability": float(sure[members].mean()),
                    "accuracy": float((decided[members] == gold[members]).mean()),
                }
            )
    return bins


def calibration_error(gold: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    """ECE over fifteen bins of equal width (Guo et al. 2017)."""
    return float(
        sum(
            bin_["n"] / len(gold) * abs(bin_["accuracy"] - bin_["probability"])
            for bin_ in calibration_bins(gold, probabilities)
        )
    )
