import numpy as np
import pytest

from w2s_trainer.stages.train.arms import as_many, curve_sizes, gold_set, weak_set
from w2s_trainer.stages.train.zero_shot import similarity_probabilities

FAMILIES = np.array([0, 1])


@pytest.mark.parametrize(
    ("budget", "sizes"),
    [
        (2, [2]),
        (16, [16]),
        (17, [16, 17]),
        (64, [16, 32, 64]),
        (100, [16, 32, 64, 100]),
        (300, [16, 32, 64, 128, 256, 300]),
    ],
)
def test_the_gold_only_curve_doubles_up_to_the_budget(budget, sizes):
    assert curve_sizes(budget) == sizes


def test_hard_targets_are_the_likeliest_class_and_ties_go_to_the_first():
    weak = np.array([[0.5, 0.5, 0.0], [0.1, 0.2, 0.7]])
    hard = weak_set(np.array([4, 9]), weak, np.array([1.0, 0.5]), FAMILIES, hard=True)
    assert hard.targets.tolist() == [[1, 0, 0], [0, 0, 1]]
    soft = weak_set(np.array([4, 9]), weak, np.array([1.0, 0.5]), FAMILIES, hard=False)
    assert soft.targets.tolist() == weak.tolist()
    assert soft.weights.tolist() == [1.0, 0.5]


def test_gold_is_one_hot():
    assert gold_set(np.array([3]), np.array([1]), np.array([0]), 3).targets.tolist() == [[0, 1, 0]]


def test_as_many_draws_by_id_and_not_by_place():
    ids = [f"row-{i}" for i in range(50)]
    drawn = {ids[i] for i in as_many(ids, 10, seed=1)}
    backwards = ids[::-1]
    assert {backwards[i] for i in as_many(backwards, 10, seed=1)} == drawn
    assert {ids[i] for i in as_many(ids, 10, seed=2)} != drawn
    assert len(as_many(ids, 99, seed=1)) == 50


def test_zero_shot_prefers_the_nearest_description():
    descriptions = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
    texts = np.array([[0.8, 0.6], [0.6, 0.8], [2**-0.5, 2**-0.5]], dtype=np.float32)
    probabilities = similarity_probabilities(texts, descriptions)
    assert probabilities.argmax(axis=1).tolist() == [0, 1, 0]
    assert probabilities.sum(axis=1) == pytest.approx(1)
    assert probabilities[2] == pytest.approx([0.5, 0.5])
