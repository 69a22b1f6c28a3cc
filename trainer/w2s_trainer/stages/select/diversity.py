"""Selection `Diversity`: k-centre greedy, class by class (Sener & Savarese 2018, "Active learning for convolutional neural
networks: a core-set approach")."""

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.selection_steps import Diversity
from w2s_trainer.stages.select.methods import Candidates, Kept
from w2s_trainer.stages.select.ordered import Ordered, to_unit_length
from w2s_trainer.stages.select.ranking import counts


def select(settings: Diversity, candidates: Candidates) -> Kept:
    """Keeps of each class texts that cover it."""
    texts = Ordered.of(candidates)
    labels, weights = texts.labels, texts.weights
    unit = to_unit_length(texts.features())
    kept, radius, counted = np.zeros(len(labels), dtype=bool), {}, weights.copy()
    for number, name in enumerate(texts.names):
        members = np.flatnonzero(labels == number)
        if not len(members):
            continue
        candidates.context.progress("covering classes", number, len(texts.names))
        count = int(np.ceil(float(settings.keep_fraction_per_class) * len(members) - 1e-9))
        centres, nearest, cosine = k_centres(unit[members], count)
        kept[members[centres]] = True
        radius[name] = round(float(np.sqrt(max(2.0 - 2.0 * float(cosine.min()), 0.0))), 6)
        if settings.weigh:
            counted[members[centres]] = np.bincount(nearest, weights[members], minlength=count)
    candidates.context.progress("covering classes", len(texts.names), len(texts.names))
    figures = {"radius": radius, "dropped": counts(texts.names, labels[~kept])}
    return texts.kept(kept, counted, figures)


def k_centres(
    unit: NDArray[np.float32], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Takes the text nearest to the middle, then again and again the one that is furthest from all taken: n comparisons each.

    The largest distance of any text to a taken one is at most twice the least that is possible (Gonzalez 1985).

    Args:
        unit: float32[n, d], rows of unit length, n ≥ 1. Of equally far texts the first is taken.
        count: how many, 1 … n.

    Returns:
        The taken rows int64[count] in their order, for each text the number of the nearest of them int64[n], and its cosine
        float32[n].
    """
    middle = unit.mean(axis=0, dtype=np.float64).astype(np.float32)
    taken = np.empty(count, dtype=np.int64)
    nearest = np.zeros(len(unit), dtype=np.int64)
    cosine = np.full(len(unit), -2.0, dtype=np.float32)
    # A text that was taken is not taken again, though others be equal to it.
    left = np.zeros(len(unit), dtype=np.float32)
    taken[0] = np.argmax(unit @ middle)
    for number in range(count):
        if number:
            taken[number] = np.argmin(cosine + left)
        left[taken[number]] = np.inf
        found = unit @ unit[taken[number]]
        closer = found > cosine
        nearest[closer], cosine[closer] = number, found[closer]
        nearest[taken[number]], cosine[taken[number]] = number, 1.0
    return taken, nearest, cosine
