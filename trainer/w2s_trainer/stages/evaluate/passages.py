"""What arms write with retrieved passages, and with the one alone in which the answer stands (docs/protocol.md). Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.families.generation.grounded import is_verbatim, quotations
from w2s_trainer.families.generation.mean_score import scores_of
from w2s_trainer.families.generation.scores import score_of
from w2s_trainer.families.gold_test import ArmAnswers, GoldTest


@dataclass(frozen=True)
class AskedAgain:
    """The m items of the test that were asked again with their oracle alone."""

    items: NDArray[np.int64]
    """int64[m], their places in the test."""
    found: NDArray[np.bool_]
    """bool[m]: the oracle was among the passages that were retrieved."""
    answers: Mapping[str, ArmAnswers]
    """By arm, of the m items."""
    passages: Sequence[str]
    """Of each of the m its oracle, as it was read."""


def compare_passages(
    test: GoldTest, answers: Mapping[str, ArmAnswers], passages: Sequence[str], again: AskedAgain
) -> dict[str, Any]:
    """The `evaluation.passages` part of results.json: means over seeds, without intervals.

    Args:
        test: n items.
        answers: by arm, with the passages that were retrieved.
        passages: of each of the n items, as they were read.
        again: what was asked again.

    Returns:
        {items, found: items whose oracle was retrieved, arms}. Of each arm, by the declared metric and of the items that were
        asked again: `retrieved`, `found` of those whose oracle was retrieved, `oracleAlone`; None of none. Of the whole test
        `verbatim`, the share of its texts whose quotations, or that as a whole, stand in the passages, None where all are
        empty, and `quoting`, the share that have quotation marks; `verbatimAlone` with the oracle alone.
    """
    mask = np.zeros(len(test.gold), dtype=bool)
    mask[again.items] = True
    some = test.part(mask)
    return {
        "items": len(again.items),
        "found": int(again.found.sum()),
        "arms": [
            {
                "arm": arm,
                "retrieved": _score(some, of_arm.values[:, again.items]),
                "found": _score(some.part(again.found), of_arm.values[:, again.items[again.found]]),
                "oracleAlone": _score(some, again.answers[arm].values),
                "verbatim": _verbatim(of_arm.values, passages),
                "verbatimAlone": _verbatim(again.answers[arm].values, again.passages),
                "quoting": _share([bool(quotations(text)) for text in of_arm.values.ravel() if text]),
            }
            for arm, of_arm in answers.items()
            if arm in again.answers
        ],
    }


def _score(test: GoldTest, answers: NDArray[Any]) -> float | None:
    score = score_of(test.metric)
    return _share([value for of_seed in answers for value in scores_of(score, of_seed, test.gold)])


def _verbatim(answers: NDArray[Any], passages: Sequence[str]) -> float | None:
    return _share(
        [
            is_verbatim(text, source)
            for of_seed in answers
            for text, source in zip(of_seed, passages, strict=True)
            if text
        ]
    )


def _share(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 6) if len(values) else None
