"""How an arm answers where a labeler abstains."""

import numpy as np
import pytest
from evaluate_kit import ArmAnswers, gold_test

from w2s_trainer.stages.evaluate.predictions import cascade_answers, self_trained_answers, weak_answers
from w2s_trainer.stages.tables import WeakLabels

PROBABILITIES = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.5, 0.5], [0.3, 0.7], [0.5, 0.5]])
ABSTAIN = np.array([False, False, False, True, False, True])
CLASSES = gold_test(np.array([0, 1])).task
POOL, TEST = np.array([0, 1, 2, 3]), np.array([4, 5])


def test_a_teacher_that_abstains_answers_with_the_class_shares_of_its_pool() -> None:
    weak = weak_answers({-1: WeakLabels(PROBABILITIES, ABSTAIN)}, TEST, POOL, CLASSES)
    assert weak.abstain.tolist() == [[False, True]]
    assert weak.values[0, 0].tolist() == [0.3, 0.7]
    assert weak.values[0, 1] == pytest.approx([0.6, 0.4])  # the mean of the three that voted


def test_the_cascade_asks_the_student_where_the_teacher_abstains() -> None:
    weak = weak_answers({-1: WeakLabels(PROBABILITIES, ABSTAIN)}, TEST, POOL, CLASSES)
    strong = ArmAnswers(
        np.array([[[0.1, 0.9], [0.2, 0.8]], [[0.4, 0.6], [0.8, 0.2]]]), np.zeros((2, 2), dtype=bool)
    )
    cascade = cascade_answers(weak, strong)
    assert cascade.values[:, 0].tolist() == [[0.3, 0.7], [0.3, 0.7]]
    assert cascade.values[:, 1].tolist() == [[0.2, 0.8], [0.8, 0.2]]
    assert not cascade.abstain.any()


def test_each_seed_answers_with_its_last_accepted_round() -> None:
    def answers(of_seeds: list[float]) -> ArmAnswers:
        values = np.array([[[p, 1 - p]] for p in of_seeds])
        return ArmAnswers(values, np.zeros(values.shape[:2], dtype=bool))

    combined, second, third = answers([0.1, 0.2, 0.3]), answers([0.4, 0.5, 0.6]), answers([0.7, 0.8, 0.9])
    taken = self_trained_answers(combined, {2: second, 3: third}, {0: 3, 1: 1, 2: 2})
    assert taken.values[:, 0, 0].tolist() == [0.7, 0.2, 0.6]
    assert taken.abstain.shape == (3, 1)
