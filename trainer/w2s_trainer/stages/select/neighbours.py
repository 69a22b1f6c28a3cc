"""Selection `Neighbours`: agreement with the nearest texts (cut statistic: Muhlenbach, Lallich & Zighed 2004; for weak labels
Lang, Vijayaraghavan & Sontag 2022, "Training subset selection for weak supervision")."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.selection_steps import Neighbours
from w2s_trainer.stages.select.methods import Candidates, Kept
from w2s_trainer.stages.select.ordered import Ordered, to_unit_length
from w2s_trainer.stages.select.ranking import best_per_class, counts, weighed

ROWS, COLUMNS = 1024, 8192
"""Of a block of similarities: 32 MiB, whatever the number of texts."""
LEAST = 0.05
"""What a text counts beside one that all neighbours agree with, at the least."""
_NONE = -1


def select(settings: Neighbours, candidates: Candidates) -> Kept:
    """Keeps the texts of each class that their neighbours agree with most."""
    texts = Ordered.of(candidates)
    nearest, cosine = nearest_of_other_families(
        to_unit_length(texts.features()),
        texts.families,
        settings.neighbours,
        partial(candidates.context.progress, "comparing texts"),
    )
    closeness = closeness_of(nearest, cosine)
    agreement = agreement_of(texts.labels, nearest, closeness)
    cut = cut_statistic(texts.labels, nearest, closeness)
    kept = best_per_class(texts.labels, -cut, float(settings.keep_fraction_per_class))
    weights = weighed(texts.weights, np.maximum(agreement, LEAST), kept) if settings.weigh else texts.weights
    figures = {
        "agreement": {
            name: round(float(agreement[texts.labels == number].mean()), 6)
            for number, name in enumerate(texts.names)
            if (texts.labels == number).any()
        },
        "highestCutKept": {
            name: round(float(cut[kept & (texts.labels == number)].max()), 6)
            for number, name in enumerate(texts.names)
            if (texts.labels == number).any()
        },
        "dropped": counts(texts.names, texts.labels[~kept]),
    }
    return texts.kept(kept, weights, figures)


def nearest_of_other_families(
    unit: NDArray[np.float32],
    families: NDArray[np.int64],
    k: int,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k nearest texts of each by cosine, none of its own family, in blocks: n² comparisons, and memory of n k.

    Args:
        unit: float32[n, d], rows of unit length.
        families: int64[n]. Near-duplicates carry the label that the text itself has, so that they tell nothing of it.
        k: how many; fewer where there are fewer.
        progress: called with (rows done, n).

    Returns:
        Rows int64[n, k], the nearest first, -1 where there is no more; their cosines float32[n, k], there -2.
    """
    n = len(unit)
    rows, cosines = np.full((n, k), _NONE, dtype=np.int64), np.full((n, k), -2.0, dtype=np.float32)
    for top in range(0, n, ROWS):
        progress(top, n)
        asked = slice(top, min(top + ROWS, n))
        near, found = rows[asked].copy(), cosines[asked].copy()
        for left in range(0, n, COLUMNS):
            others = slice(left, min(left + COLUMNS, n))
            block = unit[asked] @ unit[others].T
            block[families[asked, None] == families[None, others]] = -2.0
            count = min(k, block.shape[1])
            best = np.argpartition(block, block.shape[1] - count, axis=1)[:, -count:]
            found = np.concatenate([found, np.take_along_axis(block, best, axis=1)], axis=1)
            near = np.concatenate([near, best + left], axis=1)
            # By cosine, then by row: lexsort's last key is its first.
            order = np.lexsort((near, -found), axis=1)[:, :k]
            near, found = np.take_along_axis(near, order, axis=1), np.take_along_axis(found, order, axis=1)
        near[found < -1.5] = _NONE
        rows[asked], cosines[asked] = near, found
    progress(n, n)
    return rows, cosines


def closeness_of(nearest: NDArray[np.int64], cosine: NDArray[np.floating]) -> NDArray[np.float64]:
    """What each neighbour counts: 1 / (1 + distance of unit vectors), float64[n, k]; 0 where there is none."""
    distance = np.sqrt(np.maximum(2.0 - 2.0 * cosine.astype(np.float64), 0.0))
    return np.where(nearest == _NONE, 0.0, 1.0 / (1.0 + distance))


def agreement_of(
    labels: NDArray[np.int64], nearest: NDArray[np.int64], closeness: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The share of the neighbours, by what they count, that have a text's own label: float64[n]; 0 without neighbours."""
    same = closeness * (labels[nearest] == labels[:, None])
    return np.asarray(same.sum(axis=1) / np.maximum(closeness.sum(axis=1), 1e-12))


def cut_statistic(
    labels: NDArray[np.int64], nearest: NDArray[np.int64], closeness: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How many standard deviations the weight of neighbours of other labels is above what chance would give.

    With weights w and the share π of the label among all n: (J − (1 − π) Σ w) / √(π (1 − π) Σ w²), J = Σ w over the neighbours
    of another label. Low is good.

    Args:
        labels: int64[n].
        nearest: int64[n, k].
        closeness: float64[n, k].

    Returns:
        float64[n]; 0, which is what chance gives, without neighbours or where all labels are one.
    """
    share = np.bincount(labels)[labels] / len(labels)
    cut = (closeness * (labels[nearest] != labels[:, None])).sum(axis=1)
    expected = (1 - share) * closeness.sum(axis=1)
    deviation = np.sqrt(share * (1 - share) * (closeness**2).sum(axis=1))
    return np.where(deviation > 0, (cut - expected) / np.maximum(deviation, 1e-12), 0.0)
