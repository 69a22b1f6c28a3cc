"""A multinomial logistic head on fixed features: convex, fitted to the end, the same whatever the seed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GRID = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""L2 strengths that cross-validation chooses from."""

_WORTH_THREADS = 4_000_000
"""Numbers in the feature matrix from which on a product of matrices gains by threads."""


@dataclass(frozen=True)
class Head:
    """softmax(W·x + b) on x, features less their mean at unit length."""

    weight: NDArray[np.floating]
    """float[K, d]."""
    bias: NDArray[np.floating]
    """float[K]."""
    mean: NDArray[np.floating]
    """float[d], of the features that the head was fitted on."""

    def logits(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """W·x + b float64[n, K] of features float[n, d] as the model gives them."""
        return np.asarray(centred(features, self.mean) @ self.weight.T.astype(np.float64) + self.bias)

    def probabilities(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Class probabilities float64[n, K] of features float[n, d] as the model gives them."""
        logits = self.logits(features)
        logits -= logits.max(axis=1, keepdims=True)
        odds = np.exp(logits)
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def normalise(features: NDArray[np.floating]) -> NDArray[np.floating]:
    """Rows of unit length, so that the scale of a model's features does not change what an L2 strength means."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.maximum(lengths, 1e-12))


def centred(features: NDArray[np.floating], mean: NDArray[np.floating]) -> NDArray[np.float64]:
    """Features float[n, d] less a mean float[d], rows of unit length: float64[n, d].

    The texts of a causal model share most of their direction. Without that share the rows differ as much as
    those of other models do, and an L2 strength means about the same for all.
    """
    return np.asarray(normalise(features.astype(np.float64) - mean), dtype=np.float64)


def fit(
    features: NDArray[np.floating],
    targets: NDArray[np.float64],
    weights: NDArray[np.float64],
    l2: float,
    mean: NDArray[np.floating] | None = None,
) -> Head:
    """Fits a head by L-BFGS from zero, in float64, until the gradient vanishes.

    Minimises  Σᵢ wᵢ · CE(softmax(W·xᵢ + b), qᵢ) + l2/2 · ‖W‖²  over rows xᵢ that are centred and brought to unit
    length; the bias is not penalised.

    Args:
        features: float[n, d] as the model gives them.
        targets: float64[n, K], rows sum to 1; soft or one-hot.
        weights: float64[n], not negative.
        l2: above 0.
        mean: float[d], what the rows are centred on; None: their weighted mean.
    """
    from threadpoolctl import threadpool_limits

    # Threads cost more than they save on a small problem, and a hundredfold on a busy machine.
    with threadpool_limits(1 if features.size < _WORTH_THREADS else None, user_api="blas"):
        if mean is None:
            mean = weights @ features.astype(np.float64) / max(weights.sum(), np.finfo(np.float64).tiny)
        weight, bias = _fit(centred(features, mean), targets, weights, l2)
    return Head(weight, bias, mean)


def _fit(
    rows: NDArray[np.float64], targets: NDArray[np.float64], weights: NDArray[np.float64], l2: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from scipy.optimize import minimize

    # With fewer rows than dimensions the best W lies in the span of the rows, and the penalty does not see a
    # rotation: the same problem in n dimensions is exact, and many times faster.
    span = np.linalg.qr(rows.T)[0] if len(rows) < rows.shape[1] else np.eye(rows.shape[1])
    x = rows @ span
    d, k = x.shape[1], targets.shape[1]

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        w, b = parameters[: k * d].reshape(k, d), parameters[k * d :]
        logits = x @ w.T + b
        top = logits.max(axis=1, keepdims=True)
        log_p = logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True))
        value = -(weights * (targets * log_p).sum(axis=1)).sum() + 0.5 * l2 * (w * w).sum()
        residual = weights[:, None] * (np.exp(log_p) - targets)
        gradient = np.concatenate([(residual.T @ x + l2 * w).ravel(), residual.sum(axis=0)])
        return float(value), gradient

    optimum = minimize(
        loss,
        np.zeros(k * d + k),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 2000, "maxfun": 4000, "gtol": 1e-6, "ftol": 1e-13},
    )
    return optimum.x[: k * d].reshape(k, d) @ span.T, optimum.x[k * d :]


def cross_validated_l2(
    features: NDArray[np.floating],
    labels: NDArray[np.int64],
    families: NDArray[np.int64],
    *,
    seed: int,
    grid: Sequence[float] = GRID,
    folds: int = 5,
) -> float:
    """The L2 strength with the smallest held-out log loss, whole families held out together.

    Each fold is centred on the mean of its own training rows.

    Args:
        features: float[n, d] as the model gives them.
        labels: int64[n], class indices.
        families: int64[n].
        seed: of the division into folds.
        grid: what to choose from; of equals, the strongest.
        folds: at most; fewer where there are fewer families.

    Returns:
        One of the grid; its middle where there are not enough families to hold any out.
    """
    classes = int(labels.max()) + 1 if len(labels) else 0
    fold = folds_of(families, seed, folds)
    folds = len(np.unique(fold))
    if folds < 2 or classes < 2:
        return sorted(grid)[len(grid) // 2]
    targets = np.eye(classes)[labels]
    losses = []
    for l2 in sorted(grid, reverse=True):
        total = 0.0
        for held_out in range(folds):
            inside, outside = fold != held_out, fold == held_out
            head = fit(features[inside], targets[inside], np.ones(inside.sum()), l2)
            p = head.probabilities(features[outside])[np.arange(outside.sum()), labels[outside]]
            total -= float(np.log(np.maximum(p, 1e-12)).sum())
        losses.append((total, l2))
    return min(losses, key=lambda pair: pair[0])[1]


def folds_of(families: NDArray[np.int64], seed: int, folds: int = 5) -> NDArray[np.int64]:
    """The fold of each row, whole families together, dealt in an order that the seed draws.

    Args:
        families: int64[n].
        seed: of the order.
        folds: at most; fewer where there are fewer families.

    Returns:
        int64[n], 0 … min(folds, families) − 1.
    """
    kinds, place = np.unique(families, return_inverse=True)
    dealt = np.empty(len(kinds), dtype=np.int64)
    dealt[np.random.default_rng(seed).permutation(len(kinds))] = np.arange(len(kinds)) % max(folds, 1)
    return np.asarray(dealt[place], dtype=np.int64)
