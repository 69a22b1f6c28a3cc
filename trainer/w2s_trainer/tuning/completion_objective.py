"""Training to texts: the likelihood of completions, prompts being given."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.models.batches import by_tokens
from w2s_trainer.models.encoder import memory_bound
from w2s_trainer.models.likelihood import Answered
from w2s_trainer.models.ragged import lengths_of
from w2s_trainer.tuning.collapse import Alarm
from w2s_trainer.tuning.text_student import TextStudent
from w2s_trainer.tuning.tunable import diverged

if TYPE_CHECKING:
    import torch


class CompletionObjective:
    """−1/|yᵢ| Σₜ log p(yᵢₜ | xᵢ, yᵢ,₍<t₎) of each example: prompts x are read and not learnt (`Objective`).

    It is the loss of instruction tuning (Shi et al. 2024, arXiv 2405.14394), taken as a mean over the
    tokens of an example and not of a batch, so that an example counts what its weight says, however long y is.
    """

    def __init__(self, examples: Answered, weights: NDArray[np.float64]) -> None:
        """
        Args:
            examples: n prompts with their completions (`completions.completions_of`).
            weights: float64[n], above 0.
        """
        self.lengths = lengths_of(examples.sequences.rests) - 1  # after the last token nothing is predicted
        self.tokens_a_pass = len(examples.sequences.shared)
        self.weights = weights
        self.output_size = 0
        self._examples = examples

    @property
    def figures(self) -> Mapping[str, Any]:
        """Nothing beside the loss."""
        return {}

    def begin(self, progress: float) -> None:
        """Does nothing: all steps are alike."""

    def losses(self, student: TextStudent, rows: NDArray[np.int64]) -> "tuple[torch.Tensor, torch.Tensor]":
        """Losses float32[b], and no outputs."""
        losses = student.completion_losses(self._examples, rows)
        return losses, losses.new_zeros((len(rows), self.output_size))

    def observe(self, rows: NDArray[np.int64], outputs: "torch.Tensor") -> None:
        """Does nothing: there are no outputs."""

    def alarms(self) -> list[Alarm]:
        """None: nothing is known of the answers before the student is asked."""
        return []

    def state(self) -> "dict[str, torch.Tensor]":
        """Empty."""
        return {}

    def load(self, state: "Mapping[str, torch.Tensor]") -> None:
        """Does nothing."""


class CompletionValidation:
    """Held-out examples, by the same loss (`Validation`)."""

    def __init__(self, examples: Answered, weights: NDArray[np.float64]) -> None:
        """
        Args:
            examples: n prompts with their completions.
            weights: float64[n], above 0.
        """
        self._examples, self._weights = examples, weights

    def loss(self, student: TextStudent, batch_tokens: int) -> float:
        """The weighted mean of the losses of all examples.

        Raises:
            BadSpec: the student's training went where numbers end.
            OwnFault: memory ran out.
        """
        import torch

        losses = np.empty(len(self._weights))
        student.model.eval()
        with torch.inference_mode(), memory_bound():
            for rows in by_tokens(lengths_of(self._examples.sequences.rests), batch_tokens):
                losses[rows] = student.completion_losses(self._examples, rows).double().cpu().numpy()
        student.model.train()
        if not np.isfinite(losses).all():
            raise diverged("How likely the student thinks a text is no longer a number.")
        return float((self._weights * losses).sum() / self._weights.sum())
