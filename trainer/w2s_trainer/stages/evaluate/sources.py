"""How good each labeler is on the gold test, beside how good the aggregation took it to be. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from w2s_trainer.families.gold_test import GoldTest
from w2s_trainer.stages.tables import WeakLabels


def source_accuracies(
    labels: Mapping[str, Sequence[WeakLabels]],
    test: GoldTest,
    estimated: Mapping[str, Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """The share of the test on which each labeler is right, where it answers.

    Args:
        labels: by labeler, of the n texts of the test for each seed.
        test: n texts, of a kind of task in which answers are right or wrong.
        estimated: `sources` of the summary of `aggregate`.

    Returns:
        For each labeler: the texts that it answers, its accuracy (None without any), the estimate, and by how much that
        is too high; both None where nothing was estimated. Means over seeds.
    """
    found = []
    for name, by_seed in labels.items():
        answered = [~weak.abstain for weak in by_seed]
        right = [
            float((~wrong).mean())
            for weak, said in zip(by_seed, answered, strict=True)
            if said.any() and (wrong := test.task.is_wrong(test.part(said), weak.targets[said])) is not None
        ]
        accuracy = round(float(np.mean(right)), 6) if right else None
        estimate = estimated.get(name, {}).get("accuracy")
        found.append(
            {
                "labeler": name,
                "answered": round(float(np.mean([said.sum() for said in answered]))),
                "accuracy": accuracy,
                "estimated": estimate,
                "error": None if accuracy is None or estimate is None else round(estimate - accuracy, 6),
            }
        )
    return found
