"""What becomes of each class: recall with its spread, precision and F1, and which classes are taken for which. Pure."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.families.classification.decisions import classes_of, confusion
from w2s_trainer.families.gold_test import GoldTest

MOST_IN_FULL = 12
"""Classes up to which a confusion matrix is given whole; of more, as many pairs."""


def recalls(
    test: GoldTest,
    probabilities: NDArray[np.float64],
    families: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> dict[str, tuple[float, NDArray[np.float64]]]:
    """The recall of each class on the test, and float64[B] on samples of it; 0 in a sample without the class.

    Args:
        test: n items.
        probabilities: float64[n, K], of one arm and seed.
        families: int64[n], numbered 0 … F-1.
        weights: float64[B, F], how often each family was drawn.
    """
    classes = classes_of(test)
    shape = (weights.shape[1], len(classes.class_names))
    wanted, found = np.zeros(shape), np.zeros(shape)
    right = classes.decide(probabilities) == test.gold
    np.add.at(wanted, (families, test.gold), 1.0)
    np.add.at(found, (families[right], test.gold[right]), 1.0)
    whole = _share(found.sum(axis=0), wanted.sum(axis=0))
    drawn = _share(weights @ found, weights @ wanted)
    return {name: (float(whole[k]), drawn[:, k]) for k, name in enumerate(classes.class_names)}


def class_figures(test: GoldTest, answers: NDArray[np.float64]) -> list[dict[str, Any]]:
    """Gold count, precision, recall and F1 of each class, means over seeds; 0 where nothing was to be counted.

    Args:
        test: n items.
        answers: float64[S, n, K].
    """
    names = classes_of(test).class_names
    counts = np.stack([_counts(test, probabilities) for probabilities in answers])
    right, gold, decided = (
        np.diagonal(counts, axis1=1, axis2=2),
        counts.sum(axis=2),
        counts.sum(axis=1),
    )
    figures = {
        "precision": _share(right, decided),
        "recall": _share(right, gold),
        "f1": _share(2 * right, gold + decided),
    }
    return [
        {
            "class": name,
            "gold": int(gold[0, k]),
            **{figure: round(float(values[:, k].mean()), 6) for figure, values in figures.items()},
        }
        for k, name in enumerate(names)
    ]


def confused(test: GoldTest, probabilities: NDArray[np.float64]) -> dict[str, Any]:
    """How often each class was taken for each: `counts` int[K][K], gold by decided; of many classes the worst `pairs`.

    Args:
        test: n items.
        probabilities: float64[n, K], of one seed.
    """
    names, counts = classes_of(test).class_names, _counts(test, probabilities).astype(int)
    if len(names) <= MOST_IN_FULL:
        return {"counts": counts.tolist()}
    wrong = counts - np.diag(np.diag(counts))
    worst = np.argsort(-wrong, axis=None, kind="stable")[:MOST_IN_FULL]
    pairs = [(int(place) // len(names), int(place) % len(names)) for place in worst]
    return {
        "pairs": [
            {"gold": names[gold], "decided": names[decided], "n": int(wrong[gold, decided])}
            for gold, decided in pairs
            if wrong[gold, decided]
        ]
    }


def _counts(test: GoldTest, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    classes = classes_of(test)
    one_family = np.zeros(len(test.gold), dtype=np.int64)
    counts = confusion(test.gold, classes.decide(probabilities), one_family, len(classes.class_names))
    return np.asarray(counts.sum(axis=0))


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.divide(part, whole, out=np.zeros_like(part, dtype=np.float64), where=whole > 0))
