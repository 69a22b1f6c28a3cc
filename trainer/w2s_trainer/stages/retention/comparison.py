"""Base against tuned on the same items: losses, their difference and its interval (docs/protocol.md, Retention). Pure."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.stages.evaluate.bootstrap import family_weights, interval

_LARGEST = 700.0
"""Nats beyond which e to that power is no number."""


def compared(
    base: NDArray[np.float64],
    tuned: NDArray[np.float64],
    tokens: NDArray[np.int64],
    sizes: NDArray[np.int64],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Loss, perplexity and bits of both models, and what changed, as JSON.

    Args:
        base: float64[n], nats of each item under the model before.
        tuned: float64[n], under the tuned model.
        tokens: int64[n], that were asked for of each.
        sizes: int64[n], bytes that these tokens stand for.
        rng: of the bootstrap.

    Returns:
        `before` and `after` {loss, perplexity, bitsPerToken, bitsPerByte}; `difference` in bits per token, `forgetting`, the
        share by which the loss rose, and `perplexityRatio`, each {estimate, low, high}.
    """
    weights = family_weights(len(base), rng)
    count = weights @ tokens
    drawn = {name: weights @ nats / count for name, nats in (("before", base), ("after", tuned))}
    loss = {name: nats.sum() / tokens.sum() for name, nats in (("before", base), ("after", tuned))}
    rise, rises = loss["after"] - loss["before"], drawn["after"] - drawn["before"]

    def change(value: float, replicates: NDArray[np.float64]) -> dict[str, float]:
        return interval(np.array([value]), replicates).to_json()

    return {
        "before": _figures(loss["before"], base, sizes),
        "after": _figures(loss["after"], tuned, sizes),
        "difference": change(rise / math.log(2), rises / math.log(2)),
        "perplexityRatio": change(_exp(rise), np.exp(np.minimum(rises, _LARGEST))),
        "forgetting": change(rise / loss["before"], rises / drawn["before"]),
    }


def _figures(loss: float, nats: NDArray[np.float64], sizes: NDArray[np.int64]) -> dict[str, float | None]:
    total = int(sizes.sum())
    return {
        "loss": round(float(loss), 6),
        "perplexity": round(_exp(loss), 4),
        "bitsPerToken": round(float(loss) / math.log(2), 6),
        "bitsPerByte": round(float(nats.sum()) / math.log(2) / total, 6) if total else None,
    }


def _exp(nats: float) -> float:
    return math.exp(min(float(nats), _LARGEST))
