"""`decisions.csv`: what each arm decided about each test text, without the texts. Pure."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.families.gold_test import ArmAnswers, GoldTest

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?", re.IGNORECASE)


def decision_table(
    test: GoldTest, ids: Sequence[str], answers: Mapping[str, ArmAnswers], candidate: str
) -> str:
    """CSV with a row for each test text: id, family, gold, the decision of each arm, the candidate's probability of its own.

    Decisions are of the first seed, whose model is published. What a spreadsheet would take for a formula stands behind an
    apostrophe (OWASP, CSV injection); of decisions, numbers are left as they are.

    Args:
        test: n items.
        ids: of the n items.
        answers: by arm.
        candidate: the arm whose probability is told, where answers have one.
    """
    task = test.task
    first = {arm: given.of_seed(0)[0] for arm, given in answers.items()}
    decided = {arm: _labels(task.decisions(values)) for arm, values in first.items()}
    confidence = task.confidence(first[candidate])
    columns: dict[str, Sequence[Any]] = {
        "id": [_harmless(name) for name in ids],
        "family": _numbered(test.families).tolist(),
        "gold": _labels(task.decisions(task.gold_targets(test.gold))),
        **decided,
    }
    if confidence is not None:
        columns["probability"] = [f"{value:.6f}" for value in confidence.tolist()]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return file.getvalue()


def _numbered(families: NDArray[np.int64]) -> NDArray[np.int64]:
    """Families numbered from 1 in the order in which they come."""
    _, first, member = np.unique(families, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(1, len(first) + 1)
    return np.asarray(rank[member])


def _labels(labels: Sequence[str]) -> list[str]:
    return [label if _NUMBER.fullmatch(label) else _harmless(label) for label in labels]


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
