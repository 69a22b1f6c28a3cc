"""Training to distributions over classes: cross-entropy to targets that are made of the weak labels."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.models.ragged import lengths_of
from w2s_trainer.tuning.collapse import Alarm, ClassShares
from w2s_trainer.tuning.losses import Targets, cross_entropy
from w2s_trainer.tuning.student import Student
from w2s_trainer.tuning.tensors import below, named
from w2s_trainer.tuning.training_set import TrainingSet

if TYPE_CHECKING:
    import torch

_TARGETS, _DECIDED = "targets", "decided"


class ClassObjective:
    """CE(student(xᵢ), qᵢ) of each text, q being what `targets` makes of the weak labels (`Objective`)."""

    def __init__(
        self, tokens: Sequence[Sequence[int]], data: TrainingSet, targets: Targets, batch_size: int
    ) -> None:
        """
        Args:
            tokens: of n texts, cut to what is read of them.
            data: their weak labels.
            targets: what of them the student is trained to.
            batch_size: examples of an optimiser step.
        """
        self.lengths = lengths_of(tokens)
        self.tokens_a_pass = 0
        self.weights = data.weights
        self.output_size = data.targets.shape[1]
        self._tokens, self._weak, self._targets = tokens, data.targets, targets
        self._decided = ClassShares(self.output_size, window=max(len(data), batch_size))

    @property
    def figures(self) -> Mapping[str, Any]:
        """Nothing beside the loss."""
        return {}

    def begin(self, progress: float) -> None:
        """Lets the targets prepare for the step."""
        self._targets.begin(progress)

    def losses(self, student: Student, rows: NDArray[np.int64]) -> "tuple[torch.Tensor, torch.Tensor]":
        """Cross-entropies float32[b], and log-probabilities float32[b, K]."""
        log_probs = student.log_probs([self._tokens[row] for row in rows])
        seen = log_probs.detach()
        weak = self._weak_labels(rows).to(student.device)
        return cross_entropy(log_probs, self._targets(seen, weak)), seen

    def observe(self, rows: NDArray[np.int64], outputs: "torch.Tensor") -> None:
        """Tells targets and collapse alarm what the student decided."""
        self._targets.observe(outputs)
        self._decided.observe(outputs, self._weak_labels(rows))

    def alarms(self) -> list[Alarm]:
        """Classes that the student gives up."""
        return self._decided.alarms()

    def state(self) -> "dict[str, torch.Tensor]":
        """What the targets remember, and the latest decisions."""
        return named(_TARGETS, self._targets.state()) | named(_DECIDED, self._decided.state())

    def load(self, state: "Mapping[str, torch.Tensor]") -> None:
        """Takes both back."""
        self._targets.load(below(_TARGETS, state))
        self._decided.load(below(_DECIDED, state))

    def _weak_labels(self, rows: NDArray[np.int64]) -> "torch.Tensor":
        import torch

        return torch.from_numpy(self._weak[rows]).float()


class ClassValidation:
    """Held-out texts and their weak labels (`Validation`)."""

    def __init__(self, tokens: Sequence[Sequence[int]], data: TrainingSet) -> None:
        """
        Args:
            tokens: of n texts, cut to what is read of them.
            data: their weak labels.
        """
        self._tokens, self._data = tokens, data

    def loss(self, student: Student, batch_tokens: int) -> float:
        """Mean cross-entropy to the weak labels."""
        probabilities = student.probabilities(self._tokens, batch_tokens)
        losses = -(self._data.targets * np.log(np.maximum(probabilities, 1e-30))).sum(axis=1)
        return float((self._data.weights * losses).sum() / self._data.weights.sum())
