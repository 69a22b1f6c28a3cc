"""Few weights for few sources: shrunk logistic stacking (Wolpert 1992; docs/protocol.md, The combination). Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.stages.combine.log_odds import Source, centred, log_shares, log_softmax

Sources = Mapping[str, Source]
"""By name what each says of the same n texts."""

MOST = 4.0
"""Largest weight of a source; the smallest is 0, for none is believed to mean the contrary of what it says."""

PRIOR_LABELS = 16.0
"""Gold labels that the class shares of the weak labels count as much as."""


@dataclass(frozen=True)
class Shrinkage:
    """How strongly weights are held to what they are without gold labels, in units of one label's log loss."""

    scale: float = 30.0
    """λₐ of ½ λₐ Σ (a − a⁰)²; above 0."""
    bias: float = 10.0
    """λ_b of ½ λ_b Σ b²; above 0."""


@dataclass(frozen=True)
class Weights:
    """How sources become one answer."""

    scale: Mapping[str, float]
    """What each source counts, 0 … 4."""
    mean_answer: Mapping[str, NDArray[np.float64]]
    """By source float64[K], of sum 0: what it says of the pool on average, and what therefore tells nothing."""
    prior: NDArray[np.float64]
    """float64[K], of sum 0: log-odds of the classes before any source is heard; 0: all are as likely."""
    bias: NDArray[np.float64]
    """float64[K], of sum 0: what gold labels add to the prior."""

    def to_json(self) -> dict[str, Any]:
        """As JSON, for `of_json`."""
        return {
            "scale": dict(self.scale),
            "meanAnswer": {name: mean.tolist() for name, mean in self.mean_answer.items()},
            "prior": self.prior.tolist(),
            "bias": self.bias.tolist(),
        }

    @classmethod
    def of_json(cls, plain: Mapping[str, Any]) -> "Weights":
        """Those that `to_json` wrote."""
        means = {name: np.array(mean, dtype=np.float64) for name, mean in plain["meanAnswer"].items()}
        prior, bias = (np.array(plain[name], dtype=np.float64) for name in ("prior", "bias"))
        return cls(plain["scale"], means, prior, bias)


def relative(source: Source, mean_answer: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a source says beyond its mean answer float64[K]: vₛᵢ as float64[n, K], 0 where it abstains."""
    return np.where(source.abstain[:, None], 0.0, source.log_odds - mean_answer)


def prior(weak_shares: NDArray[np.float64], gold: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """Log-odds of the classes: the shares of the weak labels, as much as 16 labels, and the gold labels.

    Args:
        weak_shares: float64[K], mean of the weak labels of the pool.
        gold: int64[n], class indices; left out where they are of fewer than two classes. None: there are none.

    Returns:
        float64[K], of sum 0.
    """
    known = PRIOR_LABELS * weak_shares / weak_shares.sum()
    if gold is not None and len(np.unique(gold)) > 1:
        known = known + np.bincount(gold, minlength=len(weak_shares))
    return log_shares(known / known.sum())


def unfitted(mean_answer: Mapping[str, NDArray[np.float64]], prior: NDArray[np.float64]) -> Weights:
    """Weights where no gold label says otherwise: 1 for each source, no bias.

    Args:
        mean_answer: of each source on the pool, float64[K].
        prior: float64[K], log-odds of the classes.
    """
    return Weights(dict.fromkeys(mean_answer, 1.0), mean_answer, prior, np.zeros(len(prior)))


def fit(
    sources: Sources, gold: NDArray[np.int64], start: Weights, shrinkage: Shrinkage | None = None
) -> Weights:
    """Finds the weights of smallest penalised log loss on gold labels.

    With the relative log-odds vₛᵢ = uₛᵢ − mean answer, 0 where the source abstains, minimises
    Σᵢ −ln softmax(Σₛ aₛ vₛᵢ + prior + b)[yᵢ] + ½ λₐ Σₛ (aₛ − a⁰ₛ)² + ½ λ_b Σₖ bₖ²  with 0 ≤ aₛ ≤ 4, which is
    strictly convex.

    Args:
        sources: what each says of the n gold texts, none of which it was trained on.
        gold: int64[n], class indices.
        start: of just these sources; its scale is a⁰, its bias is not read.
        shrinkage: of the weights; None: the default.

    Returns:
        `start` with other scale and bias; unfitted, with scale 1, where the labels are of fewer than two classes.

    Raises:
        ValueError: `start` is of other sources or another number of classes, or shapes differ.
    """
    from scipy.optimize import minimize

    shrinkage = shrinkage or Shrinkage()
    names = tuple(sources)
    said = _relative(sources, start)
    count, rows, classes = said.shape
    if rows != len(gold):
        raise ValueError(f"The sources speak of {rows} texts, and {len(gold)} have a gold label.")
    if len(np.unique(gold)) < 2:
        return unfitted(start.mean_answer, start.prior)
    truth = np.eye(classes)[gold]
    centre = np.array([start.scale[name] for name in names])

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scale, bias = parameters[:count], parameters[count:]
        log_p = log_softmax(np.tensordot(scale, said, axes=1) + start.prior + bias)
        value = -(truth * log_p).sum()
        value += 0.5 * (shrinkage.scale * ((scale - centre) ** 2).sum() + shrinkage.bias * (bias**2).sum())
        residual = np.exp(log_p) - truth
        of_scale = (said * residual).sum(axis=(1, 2)) + shrinkage.scale * (scale - centre)
        of_bias = residual.sum(axis=0) + shrinkage.bias * bias
        return float(value), np.concatenate([of_scale, of_bias])

    best = minimize(
        loss,
        np.concatenate([centre, np.zeros(classes)]),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, MOST)] * count + [(None, None)] * classes,
        options={"maxiter": 1000, "maxfun": 2000, "gtol": 1e-9, "ftol": 1e-15},
    ).x
    scale = {name: float(a) for name, a in zip(names, best[:count], strict=True)}
    return replace(start, scale=scale, bias=centred(best[count:]))


def combine(sources: Sources, weights: Weights) -> NDArray[np.float64]:
    """Computes class probabilities softmax(Σₛ aₛ vₛ + prior + b), float64[n, K]; v as in `fit`.

    Args:
        sources: what each says of n texts.
        weights: of just these sources.

    Raises:
        ValueError: the weights are of other sources or another number of classes, or shapes differ.
    """
    said = _relative(sources, weights)
    scale = np.array([weights.scale[name] for name in sources])
    return np.exp(log_softmax(np.tensordot(scale, said, axes=1) + weights.prior + weights.bias))


def _relative(sources: Sources, weights: Weights) -> NDArray[np.float64]:
    """float64[S, n, K] in the order of the sources."""
    again = "fit the combination again."
    if set(sources) != set(weights.scale):
        raise ValueError(
            f"The weights are of {_listed(weights.scale)}, and the sources are {_listed(sources)}: {again}"
        )
    shapes = {name: source.log_odds.shape for name, source in sources.items()}
    if len(set(shapes.values())) != 1:
        raise ValueError(f"Sources must speak of the same texts and classes; their shapes are {shapes}.")
    classes = next(iter(shapes.values()))[1]
    if classes != len(weights.prior):
        raise ValueError(
            f"The weights are of {len(weights.prior)} classes, and the sources have {classes}: {again}"
        )
    return np.stack([relative(source, weights.mean_answer[name]) for name, source in sources.items()])


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
