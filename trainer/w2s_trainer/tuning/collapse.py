"""The collapse alarm: a student that gives up a class."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

_ROWS_PER_CLASS = 20
_LEAST_WINDOW = 256
_LEVEL = 1e-3


@dataclass(frozen=True)
class Alarm:
    """A class that the student predicts less than half as often as its labels ask for."""

    label: int
    """Index of the class."""
    predicted: float
    """Share of the window that the student decides for it."""
    target: float
    """Share of the window that its labels give it."""


class ClassShares:
    """Compares, over the latest examples, how often each class is predicted and how often labels ask for it.

    Labels ask for a class as often as they prefer it or as their probabilities add up to, whichever is less:
    a student cannot be blamed for not predicting a class that no label prefers.
    """

    def __init__(self, classes: int, window: int | None = None) -> None:
        """Starts empty.

        Args:
            classes: K.
            window: examples to look back on. Default: 20 a class, at least 256.
        """
        self._window = window or max(_ROWS_PER_CLASS * classes, _LEAST_WINDOW)
        self._decided = torch.empty(0, dtype=torch.int64)
        self._weak = torch.empty(0, classes)

    def observe(self, log_probs: Tensor, weak: Tensor) -> None:
        """Takes in a batch.

        Args:
            log_probs: float32[B, K], the student's.
            weak: float32[B, K], the weak labels; not the loss's targets, which may follow the student.
        """
        decided = log_probs.detach().argmax(-1).cpu()
        self._decided = torch.cat([self._decided, decided])[-self._window :]
        self._weak = torch.cat([self._weak, weak.detach().to("cpu", torch.float32)])[-self._window :]

    def alarms(self) -> list[Alarm]:
        """Classes that are given up, beyond chance.

        Beyond chance: were the student to decide for the class half as often as its labels ask, so few decisions
        or fewer would come with probability below 1e-3 (one-sided exact binomial). A class that is predicted as
        often as it should be sets this off less than once in a million looks, so looking often does no harm.
        """
        from scipy.special import bdtr

        rows, classes = self._weak.shape
        if rows == 0:
            return []
        predicted = torch.bincount(self._decided, minlength=classes).tolist()
        preferred = torch.bincount(self._weak.argmax(-1), minlength=classes) / rows
        targets = torch.minimum(self._weak.double().mean(0), preferred.double()).tolist()
        return [
            Alarm(label, count / rows, target)
            for label, (count, target) in enumerate(zip(predicted, targets, strict=True))
            if bdtr(count, rows, target / 2) < _LEVEL
        ]

    def state(self) -> dict[str, Tensor]:
        """For checkpoints: int64[n] decided classes and float32[n, K] weak labels, oldest first."""
        return {"decided": self._decided.clone(), "weak": self._weak.clone()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Goes on where `state` was taken."""
        self._decided, self._weak = state["decided"].cpu(), state["weak"].cpu()
