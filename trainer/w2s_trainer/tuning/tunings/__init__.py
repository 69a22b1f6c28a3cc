"""What of a model is tuned by gradient steps: one module for each such tuning of `w2s_api.methods.tunings`.

A module has the function `make_tunable`.
"""

from typing import Any, Protocol

from w2s_api.methods.tunings import TuningSettings
from w2s_trainer.methods import implementation


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


def tuning_method(settings: TuningSettings) -> TuningMethod:
    """The implementation of a tuning."""
    return implementation(__name__, type(settings))
