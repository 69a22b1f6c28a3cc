"""The students of a combination as linear heads: one on gold labels with its answers out of fold, and their sum. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.models.head import GRID, Head, fit, folds_of
from w2s_trainer.models.head import centred as centred_rows
from w2s_trainer.stages.combine.log_odds import Source, centred, from_logits, log_softmax
from w2s_trainer.stages.combine.stacking import Weights
from w2s_trainer.stages.train.zero_shot import SHARPNESS

CENTRE_ROW = 1.0
"""Weight of the row of uniform target at the centre of the features."""


@dataclass(frozen=True)
class GoldStudent:
    """A head on gold labels, and what heads without a text's family say of that text."""

    head: Head
    """Fitted on all gold labels."""
    l2: float
    """Of the smallest held-out log loss."""
    held_out: Source
    """Of the n gold texts, out of fold."""


def gold_student(
    features: NDArray[np.floating],
    labels: NDArray[np.int64],
    families: NDArray[np.int64],
    *,
    classes: int,
    mean: NDArray[np.floating],
    seed: int,
    centre_row: float = CENTRE_ROW,
) -> GoldStudent | None:
    """The head on the gold labels of a seed.

    Args:
        features: float[n, d] of the gold texts, as the model gives them.
        labels: int64[n], class indices.
        families: int64[n]; none is on both sides of a fold.
        classes: K; some may have no label.
        mean: float[d], that of the student it is to be merged with.
        seed: deals the families to folds.
        centre_row: weight of one more row, of uniform target at the centre of the features, so that a class
            without labels stays possible; 0: without it.

    Returns:
        None where the labels are of fewer than two classes or families: they teach nothing, or nothing can be
        held out.
    """
    fold = folds_of(families, seed)
    if len(np.unique(labels)) < 2 or len(np.unique(fold)) < 2:
        return None
    targets = np.eye(classes)[labels]
    # In float64, for a centre that was rounded is off the centre, and would be brought to unit length.
    exact, centre = features.astype(np.float64), mean.astype(np.float64)

    def fitted(rows: NDArray[np.bool_], l2: float) -> Head:
        x = np.concatenate([exact[rows], centre[None]])
        q = np.concatenate([targets[rows], np.full((1, classes), 1 / classes)])
        return fit(x, q, np.append(np.ones(rows.sum()), centre_row), l2, mean)

    best: tuple[float, float, NDArray[np.float64]] | None = None
    for l2 in sorted(GRID, reverse=True):
        held_out = np.empty((len(labels), classes))
        for number in np.unique(fold):
            held_out[fold == number] = fitted(fold != number, l2).logits(features[fold == number])
        loss = -float((targets * log_softmax(held_out)).sum())
        if best is None or loss < best[0]:
            best = loss, l2, held_out
    assert best is not None
    _, l2, held_out = best
    return GoldStudent(fitted(np.ones(len(labels), dtype=bool), l2), l2, from_logits(held_out))


def description_head(descriptions: NDArray[np.floating], mean: NDArray[np.floating]) -> Head:
    """The strong model without a label, as a head: cosine similarity to the descriptions of the classes.

    Unlike the arm `zero-shot`, it centres texts and descriptions as the students do, so that it can be merged with
    them.

    Args:
        descriptions: float[K, d], features of the descriptions, as the model gives them.
        mean: float[d], that of the students.
    """
    return Head(SHARPNESS * centred_rows(descriptions, mean), np.zeros(len(descriptions)), mean)


def merged_head(heads: Mapping[str, Head], weights: Weights) -> Head:
    """The students' part of a combination, its prior and its bias as one head.

    Its logits are Σₛ aₛ (uₛ − mean answer) + prior + b, u being the centred log-probabilities of the heads, so that
    adding aₜ (uₜ − mean answer) where a teacher answers gives the combination.

    Args:
        heads: by source, all centred on the same mean.
        weights: of at least these sources.

    Raises:
        ValueError: there is none, or their means differ, so that no linear head is their sum.
    """
    if not heads:
        raise ValueError("There is no head to merge.")
    first = next(iter(heads.values()))
    if any(not np.array_equal(head.mean, first.mean) for head in heads.values()):
        raise ValueError("The heads are centred on different means, so that their sum is no linear head.")
    weight, bias = np.zeros(first.weight.shape), weights.prior + weights.bias
    for name, head in heads.items():
        weight += weights.scale[name] * centred(head.weight.T.astype(np.float64)).T
        bias += weights.scale[name] * (centred(head.bias.astype(np.float64)) - weights.mean_answer[name])
    return Head(weight, bias, first.mean)
