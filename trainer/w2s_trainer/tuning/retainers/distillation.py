"""Retainer `Distillation`: KL divergence to what the model said before (Li & Hoiem 2016, arXiv 1606.09282)."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from w2s_api.methods.retainers import Distillation
from w2s_trainer.tuning.blocks import Asked
from w2s_trainer.tuning.language_model import LanguageModel

if TYPE_CHECKING:
    import torch


class _Divergence:
    """`weight` · mean over the places of a block of KL(p_before ‖ p)."""

    def __init__(self, before: LanguageModel | None, weight: float) -> None:
        """
        Args:
            before: a copy of the model; None: the model itself, its adapters switched off.
            weight: of the divergence.
        """
        self._before, self._weight = before, weight

    def __call__(
        self, model: LanguageModel, asked: Sequence[Asked], logits: "torch.Tensor"
    ) -> "torch.Tensor":
        """See Penalty."""
        import torch

        said = torch.log_softmax(logits.float(), -1)
        with torch.no_grad():
            before = torch.log_softmax(self._logits_before(model, asked).float(), -1)
        divergence = torch.nn.functional.kl_div(said, before, reduction="none", log_target=True).sum(-1)
        parts = torch.split(divergence, [len(one.places) for one in asked])
        return self._weight * torch.stack([part.mean() for part in parts])

    def _logits_before(self, model: LanguageModel, asked: Sequence[Asked]) -> "torch.Tensor":
        before = self._before or model
        plain: Any = nullcontext() if self._before else model.model.disable_adapter()
        before.model.eval()
        try:
            with plain:
                return before.logits(asked)
        finally:
            if self._before is None:
                model.model.train()


def retain(model: LanguageModel, settings: Distillation) -> _Divergence:
    """Keeps a copy of the model, unless adapters leave its own weights as they are."""
    return _Divergence(None if model.tuning.leaves_adapter else model.copy(), float(settings.weight))
