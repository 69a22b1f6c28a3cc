"""Tensors by name, of which those of one part are told from those of another by what their names begin with."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def named(part: str, tensors: "Mapping[str, torch.Tensor]") -> "dict[str, torch.Tensor]":
    """The tensors of a part, as `<part>/<name>`."""
    return {f"{part}/{name}": tensor for name, tensor in tensors.items()}


def below(part: str, tensors: "Mapping[str, torch.Tensor]") -> "dict[str, torch.Tensor]":
    """Those that `named` gave this part, by their own names."""
    start = f"{part}/"
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}
