"""Selection `ConfidentLearning` (Northcutt, Jiang & Chuang 2021, "Confident learning: estimating uncertainty in dataset
labels")."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.selection_steps import ConfidentLearning
from w2s_trainer.stages.select.held_out import held_out_probabilities
from w2s_trainer.stages.select.methods import Candidates, Kept
from w2s_trainer.stages.select.ordered import Ordered
from w2s_trainer.stages.select.ranking import counts, margins, weighed, without_the_worst

MOST = 10.0
"""The most that a class is weighed up by."""
_NOBODY = -1
_ROUNDING = 1e-6


def select(settings: ConfidentLearning, candidates: Candidates) -> Kept:
    """Drops the texts whose weak label is confidently contradicted, at most a share of each class."""
    texts = Ordered.of(candidates)
    l2 = float(candidates.context.spec.strong.tuning.head_settings.l2)
    said = held_out_probabilities(
        texts.features(),
        texts.targets,
        texts.weights,
        texts.families,
        l2,
        folds=settings.folds,
        seed=0,
        progress=partial(candidates.context.progress, "fitting heads without each fold"),
    )
    labels, names = texts.labels, texts.names
    least = thresholds(said, labels)
    guess = confident_guess(said, least)
    joint = confident_joint(labels, guess, len(names))
    contradicted = (guess != _NOBODY) & (guess != labels)
    wrong = contradicted if settings.prune == "Contradicted" else by_noise_rate(said, labels, joint)
    kept = without_the_worst(labels, margins(said, labels), wrong, float(settings.most_dropped_per_class))
    weights = texts.weights
    if settings.weigh:
        weights = weighed(weights, class_factors(joint)[labels], kept)
    figures = {
        "thresholds": {
            name: round(float(t), 6) for name, t in zip(names, least, strict=True) if np.isfinite(t)
        },
        "confidentJoint": {
            name: dict(zip(names, row, strict=True)) for name, row in zip(names, joint.tolist(), strict=True)
        },
        "found": counts(names, labels[wrong]),
        "dropped": counts(names, labels[~kept]),
    }
    return texts.kept(kept, weights, figures)


def thresholds(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """How sure of class k is sure: t_k, the mean of p_k over the texts of label k (eq. 2).

    Args:
        probabilities: float64[n, K], out of sample.
        labels: int64[n].

    Returns:
        float64[K]; infinite for a class without labels, of which nothing can be confident.
    """
    least = np.full(probabilities.shape[1], np.inf)
    for label in np.unique(labels):
        least[label] = probabilities[labels == label, label].mean()
    return least


def confident_guess(probabilities: NDArray[np.float64], least: NDArray[np.float64]) -> NDArray[np.int64]:
    """The likeliest of the classes whose threshold is reached, int64[n]; -1 where none is."""
    sure = np.where(probabilities >= least - _ROUNDING, probabilities, -1.0)
    return np.where(sure.max(axis=1) < 0, _NOBODY, sure.argmax(axis=1))


def confident_joint(labels: NDArray[np.int64], guess: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """How many texts of label i (rows) are confidently of class j (columns), int64[K, K] (eq. 1)."""
    joint = np.zeros((classes, classes), dtype=np.int64)
    sure = guess != _NOBODY
    np.add.at(joint, (labels[sure], guess[sure]), 1)
    return joint


def calibrated(joint: NDArray[np.int64], of_label: NDArray[np.int64]) -> NDArray[np.float64]:
    """Counts as if every text had been counted: rows are brought to the number of texts of their label (eq. 3).

    Args:
        joint: int64[K, K]; a diagonal of 0 counts as 1, so that no label is given up for lost.
        of_label: int64[K], texts of each label.

    Returns:
        float64[K, K], n times the estimated joint distribution of labels and classes.
    """
    counted = joint + np.diag(np.where((np.diag(joint) == 0) & (of_label > 0), 1, 0))
    rows = np.maximum(counted.sum(axis=1, keepdims=True), 1)
    return np.asarray(counted / rows * of_label[:, None])


def by_noise_rate(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], joint: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """For each pair i ≠ j the n Q̂ᵢⱼ texts of label i with the largest p_j − p_i (prune by noise rate, § 3.2).

    Args:
        probabilities: float64[n, K], out of sample.
        labels: int64[n].
        joint: int64[K, K], the confident joint.

    Returns:
        bool[n].
    """
    classes = len(joint)
    expected = np.floor(calibrated(joint, np.bincount(labels, minlength=classes)) + 0.5).astype(np.int64)
    wrong = np.zeros(len(labels), dtype=bool)
    for i, j in zip(*np.nonzero(expected), strict=True):
        if i != j:
            members = np.flatnonzero(labels == i)
            margin = np.round(probabilities[members, j] - probabilities[members, i], 6)
            wrong[members[np.argsort(-margin, kind="stable")[: expected[i, j]]]] = True
    return wrong


def class_factors(joint: NDArray[np.int64]) -> NDArray[np.float64]:
    """1 / P(label k | class k), what the texts of each label are weighed up by, float64[K], 1 … 10."""
    of_class = joint.sum(axis=0)
    right = np.maximum(np.diag(joint), 1)
    return np.asarray(np.clip(of_class / right, 1.0, MOST))
