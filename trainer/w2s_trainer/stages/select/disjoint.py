"""What heads say that were each fitted on one of several disjoint folds of the families. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.errors import BadData
from w2s_trainer.models.head import fit, folds_of
from w2s_trainer.stages.select.student_loss import of_even_classes

LEAST_FOLDS = 3
"""With fewer a text is judged by one head, which agrees with itself."""
Progress = Callable[[int, int], None]
"""Called with (heads fitted, heads to fit)."""


@dataclass(frozen=True)
class Heard:
    """What the heads of the other folds say of each of n texts."""

    votes: NDArray[np.int64]
    """int64[n, K]: how many of them find the class likeliest."""
    mean: NDArray[np.float64]
    """float64[n, K]: the mean of their probabilities."""

    def share(self, classes: NDArray[np.int64]) -> NDArray[np.float64]:
        """The share of the heads that find a class likeliest, one a text: float64[n] of int64[n]."""
        at = np.arange(len(classes)), classes
        return np.asarray(self.votes[at] / self.votes.sum(axis=1))


def hear(
    features: NDArray[np.floating],
    targets: NDArray[np.float64],
    weights: NDArray[np.float64],
    fold: NDArray[np.int64],
    l2: float,
    *,
    progress: Progress = lambda _done, _all: None,
) -> Heard:
    """Fits a head on each fold alone and asks it about all other folds: no text is judged by a head that saw its family.

    The training sets are disjoint, so that the heads agree on a wrong label only where it is wrong in the same way in all of
    them. What a head says is brought to even classes first (`of_even_classes`, over the texts of the first n' that it did not
    see): a head seldom says a class that is rare in its labels.

    Args:
        features: float[n, d] as the model gives them, n' ≤ n of them with a weak label to learn from, which come first.
        targets: float64[n', K], weak labels, rows sum to 1.
        weights: float64[n'], above 0.
        fold: int64[n], 0 … F − 1, of whole families; of each some are among the first n'.
        l2: strength of the penalty. It stands beside a sum over texts, and is not scaled to a fold.
        progress: of the heads.

    Raises:
        BadData: there are fewer than three folds.
    """
    learnt, classes = targets.shape
    numbers = np.unique(fold[:learnt])
    if len(numbers) < LEAST_FOLDS:
        raise BadData(
            "TooFewFamilies",
            f"The {learnt:,} texts with a weak label are {len(numbers)} families; to correct their labels takes {LEAST_FOLDS}.",
            "Leave the step out, or look at `data.fields.group` and `data.nearDuplicates`: they join texts to families.",
        )
    votes, total = np.zeros((len(fold), classes), dtype=np.int64), np.zeros((len(fold), classes))
    labels = targets.argmax(axis=1)
    for done, number in enumerate(numbers.tolist()):
        progress(done, len(numbers))
        inside, outside = fold[:learnt] == number, np.flatnonzero(fold != number)
        head = fit(features[:learnt][inside], targets[inside], weights[inside], l2)
        said = head.probabilities(features[outside])
        said = of_even_classes(said, labels, said[outside < learnt].mean(axis=0))
        votes[outside, said.argmax(axis=1)] += 1
        total[outside] += said
    progress(len(numbers), len(numbers))
    return Heard(votes, total / votes.sum(axis=1, keepdims=True))


def dealt(families: NDArray[np.int64], learnt: int, folds: int) -> NDArray[np.int64]:
    """The fold of each text, int64[n]: families of the first `learnt` texts are dealt by lot, those that are met later in turn.

    So the folds of the first do not depend on what comes after them.

    Args:
        families: int64[n], numbered as they come.
        learnt: how many texts have a weak label to learn from.
        folds: at most; fewer where there are fewer families.
    """
    first = folds_of(families[:learnt], 0, folds)
    of_family = np.arange(families.max() + 1) % max(int(first.max()) + 1, 1)
    of_family[families[:learnt]] = first
    return np.asarray(of_family[families], dtype=np.int64)
