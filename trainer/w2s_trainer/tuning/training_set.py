"""What a student is trained on. Pure."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.models.top_tokens import TopTokens


@dataclass(frozen=True)
class SoftTarget:
    """What a teacher thinks of each token of a text that it wrote."""

    top: TopTokens
    labeler: str
    """Who wrote it."""
    vocabulary: str
    """Of the teacher's token numbers (`models.top_tokens.vocabulary_digest`)."""


@dataclass(frozen=True)
class TrainingSet:
    """Labelled texts that a student is trained on, or validated with: n of them.

    It names the texts and does not hold them: whoever needs them, or their tokens or features, looks them up by row.
    """

    rows: NDArray[np.int64]
    """int64[n], indices of the texts among all examples."""
    targets: NDArray[Any]
    """[n, …], what the task's family trains to. Of classes: float64[n, K], rows sum to 1."""
    weights: NDArray[np.float64]
    """float64[n]."""
    families: NDArray[np.int64]
    """int64[n], of near-duplicates and groups."""
    soft: NDArray[np.object_] | None = None
    """object[n], a teacher's token probabilities of each target (`SoftTarget`), None where there are none; None: nowhere."""
    confidence: NDArray[np.float64] | None = None
    """float64[n], how sure the labels are; None where that is not known, or gold."""

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, mask: NDArray[np.bool_]) -> "TrainingSet":
        """Some of them, bool[n]."""
        return TrainingSet(
            self.rows[mask],
            self.targets[mask],
            self.weights[mask],
            self.families[mask],
            None if self.soft is None else self.soft[mask],
            None if self.confidence is None else self.confidence[mask],
        )
