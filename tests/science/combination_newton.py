"""The weights of a combination by Newton's method, ten times as fast as `stacking.fit`, shrunk to those that they start from."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.stages.combine.log_odds import Source, log_softmax
from w2s_trainer.stages.combine.stacking import MOST, Shrinkage, Weights, relative

STEPS = 50
SETTLED = 1e-9
ROUNDING = 1e-13


def quick_fit(
    sources: Mapping[str, Source], gold: NDArray[np.int64], start: Weights, shrinkage: Shrinkage
) -> Weights:
    """What `stacking.fit` finds, with (a − its scale at the start)² in place of (a − 1)²; steps are projected to the bounds."""
    if len(np.unique(gold)) < 2:
        return replace(start, bias=np.zeros(len(start.prior)))
    said = np.stack([relative(source, start.mean_answer[name]) for name, source in sources.items()], axis=2)
    n, k, s = said.shape
    design = np.concatenate([said, np.broadcast_to(np.eye(k), (n, k, k))], axis=2)
    flat, truth = design.reshape(n * k, s + k), np.eye(k)[gold]
    penalty = np.array([shrinkage.scale] * s + [shrinkage.bias] * k)
    centre = np.array([*(start.scale[name] for name in sources), *np.zeros(k)])

    def loss(at: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        log_p = log_softmax(design @ at + start.prior)
        return float(-(truth * log_p).sum() + 0.5 * (penalty * (at - centre) ** 2).sum()), np.exp(log_p)

    low, high = np.array([0.0] * s + [-np.inf] * k), np.array([MOST] * s + [np.inf] * k)
    at = centre.copy()
    value, p = loss(at)
    for _ in range(STEPS):
        gradient = flat.T @ (p - truth).ravel() + penalty * (at - centre)
        free = ~(((at <= low) & (gradient > 0)) | ((at >= high) & (gradient < 0)))
        of_row = np.einsum("nk,nkp->np", p, design)
        hessian = flat.T @ (p.reshape(-1, 1) * flat) - of_row.T @ of_row + np.diag(penalty)
        step = np.zeros(s + k)
        step[free] = np.linalg.solve(hessian[np.ix_(free, free)], gradient[free])
        if gradient @ step < SETTLED:
            break
        size = 1.0
        while True:
            to = np.clip(at - size * step, low, high)
            below, q = loss(to)
            if below <= value - 1e-4 * gradient @ (at - to) + ROUNDING * abs(value):
                break
            size /= 2
            if size < 1e-6:
                raise ArithmeticError("The weights do not settle.")
        at, value, p = to, below, q
    else:
        raise ArithmeticError("The weights do not settle.")
    scale = {name: float(a) for name, a in zip(sources, at[:s], strict=True)}
    return replace(start, scale=scale, bias=at[s:] - at[s:].mean())
