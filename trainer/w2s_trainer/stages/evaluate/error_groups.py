"""Where the candidate errs, beside its teacher: groups of test texts, to be looked at and not to decide by. Pure."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.families.gold_test import ArmAnswers, GoldTest

CONFIDENCE_EDGES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
FAMILY_SIZES = (1, 2, 5)
"""The least sizes of the families of each group."""

Group = tuple[str, NDArray[np.bool_]]


def error_groups(
    test: GoldTest, lengths: NDArray[np.int64], weak: ArmAnswers, candidate: ArmAnswers
) -> list[dict[str, Any]]:
    """Error rates by length, confidence, vote of the teacher and size of the family, of the first seed.

    Args:
        test: n items.
        lengths: int64[n], characters of each text.
        weak: the teacher.
        candidate: the candidate.

    Returns:
        {by, rows: [{group, n, candidate, weak}]}, groups without texts left out; nothing where no answer of the kind of
        task is simply wrong.
    """
    (teacher, silent), (answers, _) = weak.of_seed(0), candidate.of_seed(0)
    wrong, teacher_wrong = test.task.is_wrong(test, answers), test.task.is_wrong(test, teacher)
    if wrong is None or teacher_wrong is None:
        return []
    confidence = test.task.confidence(answers)
    divisions: list[tuple[str, Sequence[Group]]] = [
        ("length", _by_length(lengths)),
        ("confidence", [] if confidence is None else _by_confidence(confidence)),
        ("vote", [("the teacher votes", ~silent), ("the teacher abstains", silent)]),
        ("family", _by_family(test.families)),
    ]
    return [
        {
            "by": by,
            "rows": [
                {
                    "group": name,
                    "n": int(members.sum()),
                    "candidate": round(float(wrong[members].mean()), 6),
                    "weak": round(float(teacher_wrong[members].mean()), 6),
                }
                for name, members in groups
                if members.any()
            ],
        }
        for by, groups in divisions
        if groups
    ]


def _by_length(lengths: NDArray[np.int64]) -> list[Group]:
    """Quartiles; fewer groups where many texts are as long as each other."""
    edges = np.unique(np.quantile(lengths, [0.25, 0.5, 0.75], method="inverted_cdf"))
    place = np.searchsorted(edges, lengths)
    groups = []
    for number in range(len(edges) + 1):
        members = place == number
        if members.any():
            inside = lengths[members]
            groups.append((f"{_span(int(inside.min()), int(inside.max()))} characters", members))
    return groups


def _by_confidence(confidence: NDArray[np.float64]) -> list[Group]:
    inner = CONFIDENCE_EDGES[1:-1]
    place = np.searchsorted(inner, confidence, side="right")
    return [
        (f"{low:.0%} to {high:.0%} sure", place == number)
        for number, (low, high) in enumerate(pairwise(CONFIDENCE_EDGES))
    ]


def _by_family(families: NDArray[np.int64]) -> list[Group]:
    _, member, sizes = np.unique(families, return_inverse=True, return_counts=True)
    size = sizes[member]
    place = np.searchsorted(FAMILY_SIZES, size, side="right") - 1
    bounds = [*(least - 1 for least in FAMILY_SIZES[1:]), None]
    return [
        ("alone" if most == 1 else f"in a family of {_span(least, most)}", place == number)
        for number, (least, most) in enumerate(zip(FAMILY_SIZES, bounds, strict=True))
    ]


def _span(low: int, high: int | None) -> str:
    if high is None:
        return f"{low:,} or more"
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
