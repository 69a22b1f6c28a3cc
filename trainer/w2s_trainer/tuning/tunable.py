"""A pretrained model of which some weights are tuned: what students that decide and students that write share."""

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from w2s_api.methods.tunings import TuningSettings
from w2s_trainer.errors import BadSpec
from w2s_trainer.tuning.precision import Precision
from w2s_trainer.tuning.tunings import tuning_method

if TYPE_CHECKING:
    import torch


@dataclass
class TunableModel(ABC):
    """A model with its tokenizer, and what of it is tuned."""

    has_new_head: ClassVar[bool]
    """Whether its head is not pretrained, and so tuned in any case."""

    model: Any
    """What is called and saved: of transformers, or its adapters around it."""
    tokenizer: Any
    device: str
    precision: Precision
    tuning: TuningSettings
    dropout: float

    @property
    @abstractmethod
    def head(self) -> str:
        """The name of the module that is the head."""

    def make_tunable(self, seed: int) -> None:
        """Says which weights are tuned; what the student answers stays what it was."""
        from w2s_trainer.models.matmul import use_fast_matmul

        self.model = tuning_method(self.tuning).make_tunable(
            self.model,
            self.tuning,
            head=self.head,
            has_new_head=self.has_new_head,
            dropout=self.dropout,
            seed=seed,
        )
        use_fast_matmul(self.model)
        _set_dropout(self.model, self.dropout)
        self.model.train()

    def parameters(self) -> "dict[str, torch.nn.Parameter]":
        """Returns what is tuned, by name."""
        return {
            name: parameter for name, parameter in self.model.named_parameters() if parameter.requires_grad
        }

    def state(self) -> "dict[str, torch.Tensor]":
        """Returns what differs from the pretrained model: enough to have it again."""
        return {name: parameter.detach() for name, parameter in self.parameters().items()}

    def load(self, state: "Mapping[str, torch.Tensor]") -> None:
        """Takes over a state of a student that was made tunable in the same way.

        Raises:
            BadSpec: it is that of another model or tuning.
        """
        import torch

        current = self.state()
        if {name: tuple(tensor.shape) for name, tensor in current.items()} != {
            name: tuple(tensor.shape) for name, tensor in state.items()
        }:
            raise BadSpec("AnotherStudent", "These weights are of another model or another tuning.")
        with torch.no_grad():
            for name, tensor in current.items():
                tensor.copy_(state[name])

    def padded(self, tokens: Sequence[Sequence[int]]) -> "tuple[torch.Tensor, torch.Tensor]":
        """Token ids of b texts, padded behind, and which are theirs: int64[b, t] each, on the device."""
        import torch

        longest = max(len(ids) for ids in tokens)
        ids = torch.full((len(tokens), longest), self.tokenizer.pad_token_id, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, token_ids in enumerate(tokens):
            ids[row, : len(token_ids)] = torch.tensor(token_ids, dtype=torch.long)
            mask[row, : len(token_ids)] = 1
        return ids.to(self.device), mask.to(self.device)


def diverged(what: str) -> BadSpec:
    """The error where a training has left the numbers: `what` is a sentence."""
    return BadSpec("TrainingDiverged", what, "Lower `learningRate`, or clip gradients (`gradientClipping`).")


def seeded(*numbers: int) -> int:
    """One seed for torch of several numbers, such as a seed, a step and a rank."""
    return random.Random(repr(numbers)).getrandbits(63)


def _set_dropout(model: Any, dropout: float) -> None:
    import torch

    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = dropout
        for name, value in vars(module).items():  # for functions that are called with it
            if name.endswith("dropout") and isinstance(value, (int, float)) and not isinstance(value, bool):
                setattr(module, name, dropout)
