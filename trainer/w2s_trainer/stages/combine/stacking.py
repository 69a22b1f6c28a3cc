"""Few weights for few sources: shrunk logistic stacking (Wolpert 1992; docs/protocol.md, The combination). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.stages.combine.log_odds import log_softmax

Sources = Mapping[str, NDArray[np.float64]]
"""By name what each says of the same n texts: centred log-probabilities float64[n, K]."""

MOST = 4.0
"""Largest weight of a source; the smallest is 0, for none is believed to mean the contrary of what it says."""


@dataclass(frozen=True)
class Shrinkage:
    """How strongly weights are held to what they are without gold labels, in units of one label's log loss."""

    scale: float = 3.0
    """λₐ of ½ λₐ Σ (a − 1)²; above 0."""
    bias: float = 3.0
    """λ_b of ½ λ_b Σ b²; above 0."""


@dataclass(frozen=True)
class Weights:
    """What each source counts, and what is added for each class."""

    scale: Mapping[str, float]
    """By source, 0 … 4."""
    bias: NDArray[np.float64]
    """float64[K], of sum 0."""


def unfitted(names: tuple[str, ...], classes: int) -> Weights:
    """Weights where no gold label says otherwise: 1 for each source, no bias.

    Args:
        names: of the sources.
        classes: K.
    """
    return Weights(dict.fromkeys(names, 1.0), np.zeros(classes))


def fit(sources: Sources, gold: NDArray[np.int64], shrinkage: Shrinkage | None = None) -> Weights:
    """The weights of smallest penalised log loss on gold labels.

    Minimises  Σᵢ −ln softmax(Σₛ aₛ uₛᵢ + b)[yᵢ] + ½ λₐ Σₛ (aₛ − 1)² + ½ λ_b Σₖ bₖ²  with 0 ≤ aₛ ≤ 4, which is
    strictly convex.

    Args:
        sources: what each says of the n gold texts, none of which it was trained on.
        gold: int64[n], class indices.
        shrinkage: of the weights; None: the default.

    Returns:
        Weights of these sources; those of `unfitted` where the labels are of fewer than two classes.

    Raises:
        ValueError: there is no source, or shapes differ.
    """
    from scipy.optimize import minimize

    shrinkage = shrinkage or Shrinkage()
    names = tuple(sources)
    said = _stacked(sources, names)
    count, rows, classes = said.shape
    if rows != len(gold):
        raise ValueError(f"The sources speak of {rows} texts, and {len(gold)} have a gold label.")
    if len(np.unique(gold)) < 2:
        return unfitted(names, classes)
    truth = np.eye(classes)[gold]

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scale, bias = parameters[:count], parameters[count:]
        log_p = log_softmax(np.tensordot(scale, said, axes=1) + bias)
        value = -(truth * log_p).sum()
        value += 0.5 * (shrinkage.scale * ((scale - 1) ** 2).sum() + shrinkage.bias * (bias**2).sum())
        residual = np.exp(log_p) - truth
        of_scale = (said * residual).sum(axis=(1, 2)) + shrinkage.scale * (scale - 1)
        of_bias = residual.sum(axis=0) + shrinkage.bias * bias
        return float(value), np.concatenate([of_scale, of_bias])

    best = minimize(
        loss,
        np.concatenate([np.ones(count), np.zeros(classes)]),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, MOST)] * count + [(None, None)] * classes,
        options={"maxiter": 1000, "maxfun": 2000, "gtol": 1e-9, "ftol": 1e-15},
    ).x
    bias = best[count:] - best[count:].mean()
    return Weights({name: float(a) for name, a in zip(names, best[:count], strict=True)}, bias)


def combine(sources: Sources, weights: Weights) -> NDArray[np.float64]:
    """Class probabilities softmax(Σₛ aₛ uₛ + b), float64[n, K].

    Args:
        sources: what each says of n texts.
        weights: of just these sources.

    Raises:
        ValueError: the weights are of other sources or another number of classes.
    """
    if set(sources) != set(weights.scale):
        raise ValueError(
            f"The weights are of {_listed(weights.scale)}, and the sources are {_listed(sources)}:"
            " fit the combination again."
        )
    names = tuple(sources)
    said = _stacked(sources, names)
    if said.shape[2] != len(weights.bias):
        raise ValueError(
            f"The weights are of {len(weights.bias)} classes, and the sources have {said.shape[2]}:"
            " fit the combination again."
        )
    scale = np.array([weights.scale[name] for name in names])
    return np.exp(log_softmax(np.tensordot(scale, said, axes=1) + weights.bias))


def _stacked(sources: Sources, names: tuple[str, ...]) -> NDArray[np.float64]:
    shapes = {name: sources[name].shape for name in names}
    if len(set(shapes.values())) != 1:
        raise ValueError(f"Sources must speak of the same texts and classes; their shapes are {shapes}.")
    return np.stack([sources[name] for name in names])


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(sorted(names)) or "none"
