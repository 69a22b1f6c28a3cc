"""Tuning `Full`: all weights."""

from typing import Any

from w2s_api.methods.tunings import Full


def make_tunable(
    model: Any, settings: Full, *, head: str, has_new_head: bool, dropout: float, seed: int
) -> Any:
    """All weights but those of poolers, which nothing reads."""
    del settings, head, has_new_head, dropout, seed
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(".pooler." not in name)
    return model
