"""What heads say of texts whose families they were not fitted on. Pure."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.errors import BadData
from w2s_trainer.models.head import fit, folds_of

Progress = Callable[[int, int], None]
"""Called with (heads fitted, heads to fit)."""


def held_out_probabilities(
    features: NDArray[np.floating],
    targets: NDArray[np.float64],
    weights: NDArray[np.float64],
    families: NDArray[np.int64],
    l2: float,
    *,
    folds: int,
    seed: int,
    progress: Progress = lambda _done, _all: None,
) -> NDArray[np.float64]:
    """Class probabilities of each text by a head that was fitted without its family (cross-fitting).

    A head takes the memory and, folds times, the time of the student's own: features in float64, three times over.

    Args:
        features: float[n, d] as the model gives them.
        targets: float64[n, K], rows sum to 1.
        weights: float64[n], above 0.
        families: int64[n].
        l2: strength of the penalty. It stands beside a sum over texts, and is not scaled to the part that is fitted on.
        folds: into how many parts families are dealt, at most.
        seed: deals them.
        progress: of this division.

    Returns:
        float64[n, K].

    Raises:
        BadData: there are not two families.
    """
    fold = folds_of(families, seed, folds)
    numbers = np.unique(fold)
    if len(numbers) < 2:
        raise BadData(
            "OneFamily",
            f"All {len(families):,} texts that are left to select from are one family, so that none can be held out.",
            "Leave the step out, or look at `data.fields.group` and `data.nearDuplicates`: they join texts to families.",
        )
    said = np.empty(targets.shape)
    for done, number in enumerate(numbers.tolist()):
        progress(done, len(numbers))
        inside, outside = fold != number, fold == number
        head = fit(features[inside], targets[inside], weights[inside], l2)
        said[outside] = head.probabilities(features[outside])
    progress(len(numbers), len(numbers))
    return said
