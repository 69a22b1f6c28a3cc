"""Where a training stands: what a checkpoint brings back beside weights and optimiser."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass
class Best:
    """The student that predicted held-out weak labels best."""

    step: int
    loss: float
    state: "dict[str, torch.Tensor]"


@dataclass
class TrainingState:
    """Where a training stands, beside the weights themselves."""

    step: int = 0
    """Steps that are done."""
    seconds: float = 0.0
    """That they took, over all runs."""
    losses: list[float] = field(default_factory=list)
    """Mean loss of each step."""
    best: Best | None = None
