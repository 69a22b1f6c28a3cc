"""Which texts to ask an expert about: those that the candidate is unsure of, far from one another (docs/asking.md). Pure."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.models.head import normalise

CANDIDATES = 3
"""The most uncertain texts that the choice is made among, as a multiple of those wanted."""
FLOOR = 1e-12
"""Below it a probability counts as 0 in an entropy."""


def entropy(p: NDArray[np.floating]) -> NDArray[np.float64]:
    """−Σₖ pₖ ln pₖ over the last axis, in nats, of class probabilities float[…, K]."""
    exact = p.astype(np.float64)
    return np.asarray(-(exact * np.log(np.maximum(exact, FLOOR))).sum(axis=-1))


def uncertainty(answers: NDArray[np.floating]) -> NDArray[np.float64]:
    """How unsure the answers are, and the seeds of one another: the entropy of their mean over the seeds, in nats.

    It is the mean of the seeds' entropies plus the mutual information between label and seed (Houlsby et al. 2011,
    *Bayesian active learning for classification and preference learning*, eq. 2; Settles 2009, *Active learning
    literature survey*, §3.1 and §3.2).

    Args:
        answers: float[S, n, K], class probabilities by seed.

    Returns:
        float64[n], from 0 to ln K.
    """
    return entropy(answers.mean(axis=0, dtype=np.float64))


def disagreement(
    teacher: NDArray[np.floating], abstain: NDArray[np.bool_], answers: NDArray[np.floating]
) -> NDArray[np.float64]:
    """How far the teacher's label is from the answers: the Jensen–Shannon divergence, in nats.

    Args:
        teacher: float[n, K], the weak labels' probabilities; the mean over seeds where there are several.
        abstain: bool[n]; where the teacher abstains, it does not disagree.
        answers: float[S, n, K], class probabilities by seed.

    Returns:
        float64[n], from 0 to ln 2.
    """
    mean = answers.mean(axis=0, dtype=np.float64)
    apart = entropy((teacher + mean) / 2) - (entropy(teacher) + entropy(mean)) / 2
    return np.where(abstain, 0.0, np.maximum(apart, 0.0))


def choose(
    score: NDArray[np.float64],
    features: NDArray[np.floating],
    families: NDArray[np.int64],
    ids: Sequence[str],
    count: int,
    labelled: NDArray[np.floating],
    candidates: int = CANDIDATES,
) -> NDArray[np.int64]:
    """Chooses texts of high score that are far from one another and from those that are labelled.

    Of each family its text of the highest score stays. Of these the `candidates` · `count` of the highest score stay,
    and among them the choice is greedy k-centre: again and again the text whose nearest neighbour among those labelled
    or chosen is farthest (Sener & Savarese 2018, *Active learning for convolutional neural networks: a core-set
    approach*, alg. 1). Without a labelled text the first is that of the highest score. Ties of score and of distance go
    to the lower sha256 of the id, so that an order of rows changes nothing.

    Args:
        score: float64[n], higher is more worth asking.
        features: float[n, d] of the texts, as the model gives them; compared by angle.
        families: int64[n].
        ids: n of them, different ones.
        count: how many are wanted, at least 1.
        labelled: float[m, d], features of the texts that experts have labelled.
        candidates: at least 1; 1 takes the highest scores as they are.

    Returns:
        int64[min(count, families)], in the order in which they were chosen.
    """
    hashes = [hashlib.sha256(name.encode()).digest() for name in ids]
    by_score = sorted(range(len(ids)), key=lambda row: (-score[row], hashes[row]))
    _, first = np.unique(families[by_score], return_index=True)
    kept = np.array(by_score, dtype=np.int64)[np.sort(first)][: candidates * count]
    if candidates == 1 or not len(kept):
        return kept
    order = np.array(sorted(range(len(kept)), key=lambda place: hashes[kept[place]]), dtype=np.int64)
    start = None if len(labelled) else int(np.flatnonzero(order == 0)[0])
    kept = kept[order]
    return kept[_k_centre(_unit(features[kept]), _unit(labelled), min(count, len(kept)), start)]


def _unit(features: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(normalise(features.astype(np.float64)))


def _k_centre(
    x: NDArray[np.float64], known: NDArray[np.float64], count: int, start: int | None
) -> NDArray[np.int64]:
    """Places int64[count] in rows x of unit length, the first of equals; `start` is chosen before the others."""
    nearest = (x @ known.T).max(axis=1) if len(known) else np.full(len(x), -1.0)
    chosen: list[int] = []
    for number in range(count):
        # Rounded, so that equal distances are equal on any machine and in any order of the labelled texts.
        open_ = np.round(nearest, 9)
        open_[chosen] = np.inf
        place = start if number == 0 and start is not None else int(open_.argmin())
        chosen.append(place)
        nearest = np.maximum(nearest, x @ x[place])
    return np.array(chosen, dtype=np.int64)
