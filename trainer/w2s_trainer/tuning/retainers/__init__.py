"""What keeps a model that is pretrained further close to what it was: one module for each of `w2s_api.methods.retainers`.

A module has the function `retain`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from w2s_api.methods.retainers import RetainerSettings
from w2s_trainer.methods import implementation
from w2s_trainer.tuning.blocks import Asked
from w2s_trainer.tuning.language_model import LanguageModel

if TYPE_CHECKING:
    import torch


class Penalty(Protocol):
    """What is added to the loss of each block."""

    def __call__(
        self, model: LanguageModel, asked: Sequence[Asked], logits: "torch.Tensor"
    ) -> "torch.Tensor":
        """The penalty, with a graph.

        Args:
            model: as it is at this step.
            asked: of b blocks.
            logits: float[m, V], what it says at the places that are asked about, block after block.

        Returns:
            float32[b], or one number for all of them.
        """


class Retainer(Protocol):
    """The function of a module."""

    def retain(self, model: LanguageModel, settings: Any) -> Penalty | None:
        """Looks at the model before it is made tunable; may change what of it is tuned.

        Returns:
            What is added to the loss; None: nothing.
        """


def retainer(settings: RetainerSettings) -> Retainer:
    """The implementation of a retainer."""
    return implementation(__name__, type(settings))
