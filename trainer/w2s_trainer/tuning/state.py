"""What a training consists of, and where it stands: all that a checkpoint brings back."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from w2s_trainer.tuning.objective import Objective
    from w2s_trainer.tuning.tunable import TunableModel


@dataclass
class Best:
    """The student with the least loss on held-out examples."""

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


@dataclass(frozen=True)
class TrainingRun:
    """A training under way: everything that the next step depends on, and what is told of those before it."""

    student: "TunableModel"
    optimizer: "torch.optim.Optimizer"
    objective: "Objective[Any]"
    """With what it remembers of earlier steps."""
    state: TrainingState
