"""Targets that weigh the weak label by the student's own opinion."""

import torch
from torch import Tensor

from w2s_api.methods.losses import Product
from w2s_trainer.tuning.losses.cross_entropy import Stateless


class ProductTargets(Stateless):
    """qₖ ∝ weakₖ^alpha · pₖ^beta (`product_loss` of openai/weak-to-strong)."""

    def __init__(self, alpha: float, beta: float) -> None:
        self._alpha, self._beta = alpha, beta

    def __call__(self, log_probs: Tensor, weak: Tensor) -> Tensor:
        """The product float32[b, K], normalised."""
        # xlogy: 0⁰ = 1, so that alpha 0 ignores even a weak label that rules a class out.
        labels: Tensor = torch.special.xlogy(self._alpha, weak.detach())
        return (labels + self._beta * log_probs.detach()).softmax(-1)


def targets(settings: Product, prior: Tensor, batch_size: int) -> ProductTargets:
    """Those of `losses.make_targets`."""
    del prior, batch_size
    return ProductTargets(float(settings.alpha), float(settings.beta))
