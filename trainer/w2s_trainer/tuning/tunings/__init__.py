"""What of a model is tuned by gradient steps: one module for each such tuning of `w2s_api.methods.tunings`.

A module has the functions `make_tunable` and `interpolated`.
"""

from typing import TYPE_CHECKING, Any, Protocol

from w2s_api.methods.tunings import TuningSettings
from w2s_trainer.methods import implementation

if TYPE_CHECKING:
    import torch


class TuningMethod(Protocol):
    """The functions of a module."""

    def make_tunable(
        self, model: Any, settings: Any, *, head: str, has_new_head: bool, dropout: float, seed: int
    ) -> Any:
        """Says which weights of a model are tuned; what it answers stays what it was.

        Args:
            model: of transformers, with a head.
            settings: of the tuning.
            head: the name of the module that is the head.
            has_new_head: whether it is not pretrained, and so tuned in any case.
            dropout: of what is put beside the model.
            seed: of what is drawn.

        Returns:
            What is called, tuned and saved in its place.
        """

    def interpolated(
        self, name: str, base: "torch.Tensor", tuned: "torch.Tensor", share: float
    ) -> "torch.Tensor":
        """A tuned weight between what it was and what it is, so that the model's own weights are (1 − α) θ_base + α θ_tuned.

        Args:
            name: of the parameter, as `make_tunable` left it.
            base: before the tuning.
            tuned: after it, of the same shape.
            share: α, from 0 to 1.
        """


def tuning_method(settings: TuningSettings) -> TuningMethod:
    """The implementation of a tuning."""
    return implementation(__name__, type(settings))
