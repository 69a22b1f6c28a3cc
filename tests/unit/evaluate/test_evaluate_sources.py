"""How good each labeler is, beside how good it was taken to be."""

import numpy as np

from w2s_api.spec.task import ClassLabel, Task
from w2s_trainer.families.classification import Classification
from w2s_trainer.families.gold_test import GoldTest
from w2s_trainer.stages.evaluate.sources import source_accuracies
from w2s_trainer.stages.tables import WeakLabels

CLASSES = Classification(Task(classes=[ClassLabel(name=name) for name in ("a", "b")]))


def labels(votes: list[int]) -> WeakLabels:
    return WeakLabels(np.eye(2)[np.maximum(votes, 0)], np.array(votes) < 0)


def test_accuracies_are_of_what_is_answered_and_means_over_seeds():
    test = GoldTest(np.array([0, 1, 1, 0]), np.arange(4), "Accuracy", CLASSES)
    found = source_accuracies(
        {
            "a": [labels([0, 1, 0, -1])],
            "b": [labels([0, 1, -1, -1]), labels([1, -1, -1, -1])],
            "c": [labels([-1] * 4)],
        },
        test,
        {"a": {"answered": 0.5, "accuracy": 0.75}, "c": {"answered": 0.0}},
    )
    assert found == [
        {"labeler": "a", "answered": 3, "accuracy": 0.666667, "estimated": 0.75, "error": 0.083333},
        {"labeler": "b", "answered": 2, "accuracy": 0.5, "estimated": None, "error": None},
        {"labeler": "c", "answered": 0, "accuracy": None, "estimated": None, "error": None},
    ]
