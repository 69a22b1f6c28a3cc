"""Retainer `StartingPoint`: an L2 penalty on the distance to the weights before (Xuhong et al. 2018, arXiv 1802.01483)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from w2s_api.methods.retainers import StartingPoint
from w2s_trainer.tuning.blocks import Asked
from w2s_trainer.tuning.language_model import LanguageModel

if TYPE_CHECKING:
    import torch


class _Distance:
    """`weight` / 2 · ‖θ − θ_before‖² over what is tuned; of every block the same, so that a batch counts it once."""

    def __init__(self, before: "dict[str, torch.Tensor]", weight: float) -> None:
        self._before, self._weight = before, weight

    def __call__(
        self, model: LanguageModel, asked: Sequence[Asked], logits: "torch.Tensor"
    ) -> "torch.Tensor":
        """See Penalty."""
        import torch

        del asked, logits
        squares = [(one - self._before[name]).square().sum() for name, one in model.parameters().items()]
        return self._weight / 2 * torch.stack(squares).sum()


def retain(model: LanguageModel, settings: StartingPoint) -> _Distance:
    """Keeps the weights as they are."""
    before = {name: one.detach().clone() for name, one in model.model.named_parameters()}
    return _Distance(before, float(settings.weight))
