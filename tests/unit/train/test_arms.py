import numpy as np
import pytest

from w2s_api.spec.task import Task
from w2s_trainer.families.classification import Classification
from w2s_trainer.stages.train.arms import as_many, curve_sizes, epochs_on_gold
from w2s_trainer.stages.train.zero_shot import similarity_probabilities

THREE = Classification(Task.model_validate({"classes": [{"name": name} for name in "abc"]}))


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


@pytest.mark.parametrize(
    ("epochs", "labels", "pool", "expected"),
    [
        (2, 64, 2000, 20),
        (2, 512, 2000, 8),
        (2, 300, 2000, 14),
        (2, 2000, 2000, 2),
        (2, 5000, 2000, 2),
        (30, 64, 2000, 30),
        (1, 64, 100, 2),
    ],
)
def test_students_on_gold_see_as_many_examples_as_those_on_the_pool_and_each_at_most_twenty_times(
    epochs, labels, pool, expected
):
    assert epochs_on_gold(epochs, labels, pool) == expected


def test_hard_targets_are_the_likeliest_class_and_ties_go_to_the_first():
    weak = np.array([[0.5, 0.5, 0.0], [0.1, 0.2, 0.7]])
    assert THREE.hard_targets(weak).tolist() == [[1, 0, 0], [0, 0, 1]]


def test_gold_is_one_hot():
    assert THREE.gold_targets(np.array([1])).tolist() == [[0, 1, 0]]


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
