"""Weights of several models as one: formulas on tensors. Pure.

θ is a tensor of the model that is changed, θᵢ and wᵢ those of n others with their weights, and τᵢ = θᵢ − θ_base a task vector.
All are float32; each tensor is merged by itself.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_PARALLEL = 1e-6
"""Below this sine two tensors point the same way, and the arc between them is a line."""


def linear(
    current: "torch.Tensor", others: "Sequence[torch.Tensor]", weights: Sequence[float]
) -> "torch.Tensor":
    """(1 − Σ wᵢ) θ + Σ wᵢ θᵢ: the weighted mean (Wortsman et al. 2022, arXiv 2203.05482)."""
    merged = (1 - sum(weights)) * current
    for other, weight in zip(others, weights, strict=True):
        merged = merged + weight * other
    return merged


def slerp(current: "torch.Tensor", other: "torch.Tensor", weight: float) -> "torch.Tensor":
    """Spherical interpolation (Shoemake 1985): sin((1 − w) φ) / sin φ · θ + sin(w φ) / sin φ · θ₁.

    φ is the angle between the two tensors, each taken as one long vector. Where they point the same way, or opposite
    ways, or one is 0, there is no arc, and they are merged linearly.
    """
    import torch

    first, second = current.double(), other.double()
    norms = first.norm() * second.norm()
    cosine = (
        ((first * second).sum() / norms).clamp(-1, 1) if norms > 0 else torch.ones((), dtype=torch.float64)
    )
    angle = torch.arccos(cosine)
    if float(torch.sin(angle)) < _PARALLEL:
        return linear(current, [other], [weight])
    merged = (torch.sin((1 - weight) * angle) * first + torch.sin(weight * angle) * second) / torch.sin(angle)
    return merged.to(current.dtype)


def task_arithmetic(vectors: "Sequence[torch.Tensor]", weights: Sequence[float]) -> "torch.Tensor":
    """Σ wᵢ τᵢ (Ilharco et al. 2023, arXiv 2212.04089): what is added to θ."""
    merged = weights[0] * vectors[0]
    for vector, weight in zip(vectors[1:], weights[1:], strict=True):
        merged = merged + weight * vector
    return merged


def ties(vectors: "Sequence[torch.Tensor]", weights: Sequence[float], density: float) -> "torch.Tensor":
    """Trim, elect sign and merge (Yadav et al. 2023, arXiv 2306.01708, algorithm 1): what is added to θ.

    Of each τᵢ the ⌊density · size⌋ entries of the largest magnitude are kept: of each tensor and not of the whole model,
    as mergekit and peft have it. For each place the sign is elected by the sum of what is kept, and the entries of that
    sign, times wᵢ, are averaged.

    Args:
        vectors: τᵢ, of one shape.
        weights: wᵢ.
        density: in (0, 1].
    """
    import torch

    kept = torch.stack([_trimmed(vector, density) for vector in vectors])
    elected = torch.where(kept.sum(dim=0) >= 0, 1, -1)
    agrees = kept.sign() == elected
    scale = torch.tensor(list(weights), dtype=kept.dtype).view(-1, *(1,) * vectors[0].ndim)
    return (kept * agrees * scale).sum(dim=0) / agrees.sum(dim=0).clamp(min=1)


def dare(
    vectors: "Sequence[torch.Tensor]", weights: Sequence[float], density: float, generator: "torch.Generator"
) -> "torch.Tensor":
    """Drop and rescale (Yu et al. 2023, arXiv 2311.03099, equation 3): Σ wᵢ mᵢ ∘ τᵢ / density, each m Bernoulli(density).

    In the mean it is task arithmetic.

    Args:
        vectors: τᵢ, of one shape.
        weights: wᵢ.
        density: the share that is kept, in (0, 1]: 1 − p of the paper.
        generator: draws what is dropped.
    """
    import torch

    masks = [torch.rand(vector.shape, generator=generator) < density for vector in vectors]
    return task_arithmetic(
        [vector * mask / density for vector, mask in zip(vectors, masks, strict=True)], weights
    )


def cosine(first: "torch.Tensor", second: "torch.Tensor") -> tuple[float, float, float]:
    """The inner product of two tensors and their squared norms, as float64: parts of a cosine over many tensors."""
    one, two = first.double(), second.double()
    return float((one * two).sum()), float((one * one).sum()), float((two * two).sum())


def _trimmed(vector: "torch.Tensor", density: float) -> "torch.Tensor":
    import torch

    flat = vector.reshape(-1)
    count = int(density * flat.numel())
    kept = torch.zeros_like(flat)
    places = flat.abs().topk(count).indices
    kept[places] = flat[places]
    return kept.view_as(vector)
