"""What a training minimises, as the loop sees it: the loop knows examples by their number and nothing else of them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

    from w2s_trainer.tuning.collapse import Alarm

S = TypeVar("S", contravariant=True)
"""The kind of student."""


class Objective(Protocol[S]):
    """The loss of a student on each of n examples.

    An example's loss does not depend on which examples share its micro-batch: what depends on other examples is
    fixed by `begin`.
    """

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each example, int64[n]."""

    @property
    def tokens_a_pass(self) -> int:
        """Tokens that are read once for each micro-batch, beside those of its examples."""

    @property
    def weights(self) -> NDArray[np.float64]:
        """What each example counts, float64[n], above 0."""

    @property
    def output_size(self) -> int:
        """How many numbers the student puts out for an example that `observe` is told of; 0: none."""

    @property
    def figures(self) -> Mapping[str, Any]:
        """What results say of it, as JSON."""

    def begin(self, progress: float) -> None:
        """Before each optimiser step.

        Args:
            progress: step / total steps, in [0, 1).
        """

    def losses(self, student: S, rows: NDArray[np.int64]) -> "tuple[torch.Tensor, torch.Tensor]":
        """The losses of a micro-batch.

        Args:
            student: made tunable.
            rows: int64[b], which examples.

        Returns:
            float32[b] with a graph, and the student's outputs float32[b, output_size] without one.
        """

    def observe(self, rows: NDArray[np.int64], outputs: "torch.Tensor") -> None:
        """After each optimiser step.

        Args:
            rows: int64[B], the examples of the step.
            outputs: float32[B, output_size], of `losses`.
        """

    def alarms(self) -> "list[Alarm]":
        """What is wrong with the student, as far as its latest outputs tell."""

    def state(self) -> "dict[str, torch.Tensor]":
        """For checkpoints: all that later steps depend on. Each name is `<part>/<name>`, no part that of a `Keeper`."""

    def load(self, state: "Mapping[str, torch.Tensor]") -> None:
        """Goes on where `state` was taken; `begin` comes next."""


class Validation(Protocol[S]):
    """Held-out examples that say which state of a student is best."""

    def loss(self, student: S, batch_tokens: int) -> float:
        """The student's weighted mean loss on them.

        Args:
            student: as it is now; left as it is.
            batch_tokens: tokens in a batch.
        """
