"""Tuning `Full`: all weights."""

from typing import TYPE_CHECKING, Any

from w2s_api.methods.tunings import Full

if TYPE_CHECKING:
    import torch


def make_tunable(
    model: Any, settings: Full, *, head: str, has_new_head: bool, dropout: float, seed: int
) -> Any:
    """All weights but those of poolers, which nothing reads."""
    del settings, head, has_new_head, dropout, seed
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(".pooler." not in name)
    return model


def interpolated(name: str, base: "torch.Tensor", tuned: "torch.Tensor", share: float) -> "torch.Tensor":
    """On the line between both weights."""
    import torch

    del name
    return torch.lerp(base, tuned, share)
