"""From probabilities to decisions, and how often they are right. Pure."""

from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.families.gold_test import GoldTest

if TYPE_CHECKING:
    from w2s_trainer.families.classification import Classification


def classes_of(test: GoldTest) -> "Classification":
    """The classes that a test is about, and how they are decided between."""
    return cast("Classification", test.task)


def predict_classes(
    probabilities: NDArray[np.float64], positive: int | None = None, threshold: float = 0.5
) -> NDArray[np.int64]:
    """The class of each item: the likeliest, ties to the first; of two with a positive one, by a threshold.

    Args:
        probabilities: float64[..., K].
        positive: index of the positive class.
        threshold: with K = 2 and a positive class, positive from this probability on.

    Returns:
        int64[...].
    """
    if probabilities.shape[-1] == 2 and positive is not None:
        chosen = probabilities[..., positive] >= threshold
        return np.where(chosen, positive, 1 - positive).astype(np.int64)
    return np.asarray(probabilities.argmax(axis=-1), dtype=np.int64)


def confusion(
    gold: NDArray[np.int64], decided: NDArray[np.int64], families: NDArray[np.int64], classes: int
) -> NDArray[np.float64]:
    """Confusion counts by family: float64[F, K, K], gold by decided.

    Args:
        gold: int64[n].
        decided: int64[n].
        families: int64[n], numbered 0 … F-1.
        classes: K.
    """
    counts = np.zeros((int(families.max()) + 1 if len(families) else 0, classes, classes))
    np.add.at(counts, (families, gold, decided), 1.0)
    return counts


def counts_of(
    test: GoldTest,
    probabilities: NDArray[np.float64],
    families: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Confusion counts of the whole test, float64[K, K], and of bootstrap samples, float64[B, K, K].

    Args:
        test: n items.
        probabilities: float64[n, K].
        families: int64[n], numbered 0 … F-1.
        weights: float64[B, F], how often each family was drawn.
    """
    classes = classes_of(test)
    counts = confusion(test.gold, classes.decide(probabilities), families, len(classes.class_names))
    k = counts.shape[-1]
    return counts.sum(axis=0), (weights @ counts.reshape(len(counts), k * k)).reshape(-1, k, k)
