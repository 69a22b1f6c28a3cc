"""What a model is asked: orders, shots, the words of the question."""

import math
from collections import Counter

import numpy as np
import pytest

from w2s_api.spec.task import Task
from w2s_trainer.errors import BadSpec
from w2s_trainer.stages.label.prompt import QUESTION, Shot, orders_of, prompt_of, shots_of
from w2s_trainer.stages.label.prompted import POOL_SAMPLE, pool_rows, probabilities_of
from w2s_trainer.stages.label.shots import draw_shots
from w2s_trainer.stages.tables import Examples


def task(*names: str, **more) -> Task:
    return Task.model_validate({"classes": [{"name": name} for name in names], **more})


@pytest.mark.parametrize(("k", "n"), [(2, 1), (2, 2), (2, 24), (3, 3), (3, 6), (3, 24), (4, 7), (20, 24)])
def test_orders_are_different_and_as_many_as_there_are(k, n):
    orders = orders_of(k, n)
    assert len(set(orders)) == len(orders) == min(n, math.factorial(k))
    assert all(sorted(order) == list(range(k)) for order in orders)


@pytest.mark.parametrize(("k", "n"), [(2, 2), (5, 5), (5, 10), (3, 6)])
def test_each_class_has_each_place_as_often_as_the_others(k, n):
    orders = orders_of(k, n)
    for place in range(k):
        counts = Counter(order[place] for order in orders)
        assert set(counts.values()) == {n // k}


def test_few_orders_of_many_classes_are_far_apart():
    assert [order[0] for order in orders_of(20, 2)] == [0, 10]


def test_the_question_lists_classes_in_their_order_with_what_they_mean():
    given = Task.model_validate(
        {
            "classes": [{"name": "free", "description": "May be used."}, {"name": "restricted"}],
            "instruction": " Which licence? ",
        }
    )
    question = prompt_of(given, (1, 0), ()).question
    assert question == "Which licence?\n\nClasses:\n- restricted\n- free: May be used."
    assert prompt_of(task("a", "b"), (0, 1), ()).question.startswith(QUESTION)


def test_shots_are_the_classes_in_turn():
    labels = np.array([1, 1, 1, 0, 2, 0])
    assert shots_of(labels, 4).tolist() == [3, 0, 4, 5]
    assert shots_of(labels, 99).tolist() == [3, 0, 4, 5, 1, 2]


def test_the_class_that_is_shown_last_changes_with_the_order():
    shots = [Shot("zero", 0), Shot("one", 1), Shot("more of zero", 0), Shot("more of one", 1)]
    names = [[name for _, name in prompt_of(task("a", "b"), order, shots).shots] for order in orders_of(2, 2)]
    assert names == [["a", "b", "a", "b"], ["b", "a", "b", "a"]]
    assert [text for text, _ in prompt_of(task("a", "b"), (1, 0), shots).shots] == [
        "one",
        "zero",
        "more of one",
        "more of zero",
    ]


def test_shots_are_drawn_from_the_budget_alone_and_in_its_order():
    labels = np.array([-1, 0, 1, 1, 0, -1, 0])
    budget = np.array([6, 3, 1, 2])
    assert draw_shots(budget, labels, 3, 0).tolist() == [6, 3, 1]
    with pytest.raises(BadSpec, match="seed 1 has 4 texts"):
        draw_shots(budget, labels, 5, 1)


def test_the_sample_of_the_pool_is_of_the_pool_and_the_same_in_any_order():
    ids = [f"id-{number}" for number in range(1000)]
    parts = np.where(np.arange(1000) % 4 == 0, "test", "pool")
    there = Examples(ids, ids, parts, np.arange(1000))
    back = Examples(ids[::-1], ids[::-1], parts[::-1], np.arange(1000))
    found = pool_rows(there)
    assert len(found) == POOL_SAMPLE
    assert set(parts[found]) == {"pool"}
    assert (np.diff(found) > 0).all()
    assert {ids[row] for row in found} == {ids[::-1][row] for row in pool_rows(back)}
    few = Examples(ids[:8], ids[:8], parts[:8], np.arange(8))
    assert pool_rows(few).tolist() == [1, 2, 3, 5, 6, 7]


def test_probabilities_are_of_the_mean_over_orders_and_the_shift():
    scores = np.array([[[0.0, 1.0], [2.0, 0.0]], [[0.0, 3.0], [0.0, 1.0]]])  # [orders, n, K]
    probabilities, order_sensitive = probabilities_of(scores, np.zeros(2))
    assert probabilities[0] == pytest.approx([1 / (1 + math.e**2), 1 / (1 + math.e**-2)])
    assert probabilities[1] == pytest.approx([1 / (1 + math.e**-0.5), 1 / (1 + math.e**0.5)])
    assert order_sensitive.tolist() == [False, True]
    shifted, steady = probabilities_of(scores, np.array([5.0, 0.0]))
    assert shifted[0] == pytest.approx([1 / (1 + math.e**-3), 1 / (1 + math.e**3)])
    assert steady.tolist() == [False, False]
