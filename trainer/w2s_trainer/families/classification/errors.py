"""Where classes are decided wrongly, whose errors are repeated, and which texts show it. Pure."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.families.classification.decisions import classes_of
from w2s_trainer.families.gold_test import ArmAnswers, GoldTest

EXCERPTS = 5


def positive_counts(test: GoldTest, probabilities: NDArray[np.float64]) -> dict[str, float]:
    """Counts hits, misses and false alarms of the positive class on the test, with recall and precision.

    Args:
        test: with a positive class.
        probabilities: float64[n, K], of one seed.
    """
    classes = classes_of(test)
    assert classes.positive is not None
    decided = classes.decide(probabilities) == classes.positive
    wanted = test.gold == classes.positive
    hits, misses, alarms = (
        int((decided & wanted).sum()),
        int((~decided & wanted).sum()),
        int((decided & ~wanted).sum()),
    )
    return {
        "positives": int(wanted.sum()),
        "negatives": int((~wanted).sum()),
        "found": hits,
        "missed": misses,
        "falseAlarms": alarms,
        "recall": round(hits / max(1, hits + misses), 6),
        "precision": round(hits / max(1, hits + alarms), 6),
    }


def imitation(test: GoldTest, weak: ArmAnswers, candidate: ArmAnswers) -> dict[str, float | int | None]:
    """Measures how often the candidate agrees with the weak labels where they are right and where they are wrong."""
    decide = classes_of(test).decide
    right, wrong, n_right, n_wrong = [], [], [], []
    for seed in range(max(len(weak.values), len(candidate.values))):
        (weak_answers, silent), (answers, _) = weak.of_seed(seed), candidate.of_seed(seed)
        teacher, new, covered = decide(weak_answers), decide(answers), ~silent
        is_right, is_wrong = covered & (teacher == test.gold), covered & (teacher != test.gold)
        n_right.append(int(is_right.sum()))
        n_wrong.append(int(is_wrong.sum()))
        if is_right.any():
            right.append(float((teacher == new)[is_right].mean()))
        if is_wrong.any():
            wrong.append(float((teacher == new)[is_wrong].mean()))
    return {
        "agreesWhereWeakIsRight": round(float(np.mean(right)), 6) if right else None,
        "agreesWhereWeakIsWrong": round(float(np.mean(wrong)), 6) if wrong else None,
        "weakRight": round(float(np.mean(n_right))),
        "weakWrong": round(float(np.mean(n_wrong))),
    }


def excerpts(
    test: GoldTest, probabilities: NDArray[np.float64], text_of: Callable[[int], str]
) -> dict[str, Any] | None:
    """The worst misses and false alarms of the positive class; None where there is none.

    Args:
        test: n items.
        probabilities: float64[n, K], of one seed.
        text_of: gives an excerpt of an item.
    """
    classes = classes_of(test)
    if classes.positive is None:
        return None
    decided = classes.decide(probabilities) == classes.positive
    wanted = test.gold == classes.positive
    score = probabilities[:, classes.positive]

    def worst(mask: NDArray[np.bool_], most: int) -> list[dict[str, Any]]:
        order = sorted(np.flatnonzero(mask), key=lambda item: most * float(score[item]))[:EXCERPTS]
        return [
            {
                "text": text_of(int(item)),
                "probability": round(float(score[item]), 4),
                "label": classes.class_names[test.gold[item]],
            }
            for item in order
        ]

    return {"missed": worst(wanted & ~decided, 1), "falseAlarms": worst(~wanted & decided, -1)}
