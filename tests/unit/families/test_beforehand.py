"""What families know of a teacher on the gold budget: closed forms, and the intervals of scipy."""

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import binomtest

from w2s_api.spec.task import Task
from w2s_trainer.families.classification.beforehand import pool_facts, teacher_facts
from w2s_trainer.families.generation import Generation
from w2s_trainer.families.gold_test import GoldTest
from w2s_trainer.families.intervals import share_interval


@pytest.mark.parametrize(("count", "size"), [(0, 10), (3, 10), (32, 40), (40, 40), (7, 64)])
def test_the_interval_of_a_share_is_that_of_scipy(count, size):
    interval = binomtest(count, size).proportion_ci(method="wilson")
    assert share_interval(count / size, size) == pytest.approx((interval.low, interval.high), abs=1e-6)


def test_of_nothing_nothing_is_known():
    assert share_interval(0.5, 0.0) == (0.0, 1.0)


def teacher(
    gold: Sequence[int], said: Sequence[int], families: Sequence[int] | None = None, classes: int = 2
):
    places = np.arange(len(gold)) if families is None else np.array(families)
    return teacher_facts(classes, np.array(gold), np.array(said), places)


def test_mean_recall_by_hand():
    found = teacher([0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1, -1, -1])
    recalls = np.array([(3 + 1) / (4 + 2), (2 + 1) / (2 + 2)])
    spread = 1.959964 * (recalls * (1 - recalls) / np.array([6, 4])).sum() ** 0.5 / 2
    assert found["guess"] == 0.5
    assert found["recall"] == pytest.approx(recalls.mean())
    assert found["recallLow"] == pytest.approx(recalls.mean() - spread)
    assert found["recallHigh"] == pytest.approx(min(1, recalls.mean() + spread))


def test_copies_of_a_family_tell_nothing_more():
    gold, said = [0, 1, 1, 0] * 5, [0, 1, 0, 0] * 5
    one = teacher(gold, said)
    ten = teacher(gold * 10, said * 10, list(range(20)) * 10)
    narrow = teacher(gold * 10, said * 10)
    width, wide = (found["recallHigh"] - found["recall"] for found in (narrow, ten))
    assert wide == pytest.approx(width * 10**0.5)
    assert wide == pytest.approx(one["recallHigh"] - one["recall"], rel=0.15)  # but for the added answers


def test_where_it_answers_one_class_alone_recall_says_nothing():
    assert set(teacher([0, 0, 1], [0, 0, -1])) == {"skill", "doubt"}
    assert set(teacher([0, 0, 1], [-1, -1, -1])) == {"skill", "doubt"}


@pytest.mark.parametrize("classes", [2, 5, 10])
def test_who_guesses_is_seldom_taken_for_worse_or_for_better(classes):
    rng = np.random.default_rng(classes)
    worse = better = 0
    for _ in range(1000):
        gold, said = rng.integers(0, classes, (2, 64))
        found = teacher(gold.tolist(), said.tolist(), classes=classes)
        worse += found["recallHigh"] < found["guess"]
        better += found["recallLow"] > found["guess"]
    assert worse <= 50
    assert better <= 50


def test_the_pool_beside_the_budget():
    targets = np.array([[0.9, 0.1, 0.0], [0.5, 0.25, 0.25], [0.1, 0.8, 0.1]])
    drawn = [np.array([0, 0, 1, 2]), np.array([0, 1, 1, 2])]
    found = pool_facts(("a", "b", "c"), targets, drawn, np.array([2]))
    shares, wanted = targets.mean(axis=0), np.array([0.375, 0.375, 0.25])
    assert found == {
        "confidence": pytest.approx((0.9 + 0.5 + 0.8) / 3, abs=1e-6),
        "shares": pytest.approx(np.abs(shares - wanted).sum() / 2, abs=1e-6),
        "classes": {
            "a": {"pool": 2, "budget": 1},
            "b": {"pool": 1, "budget": 1},
            "c": {"pool": 0, "budget": 2},
        },
    }


def test_a_teacher_without_an_answer_has_no_confidence():
    found = pool_facts(("a", "b"), np.empty((0, 2)), [np.array([0, 1])], np.empty(0, dtype=int))
    assert found["confidence"] is None
    assert found["shares"] == 0
    assert found["classes"]["a"] == {"pool": 0, "budget": 1}


def test_texts_are_measured_by_the_declared_metric_where_there_are_some():
    family = Generation(Task.model_validate({"type": "Generation", "generation": {}}))
    gold = np.array(["apache 2", "mit", "bsd"], dtype=object)
    answers = np.array(["apache", "mit", ""], dtype=object)
    test = GoldTest(gold, np.arange(3), "TokenF1", family)
    found = family.teacher_facts(test, answers, np.array([False, False, True]))
    assert found["score"] == pytest.approx((2 / 3 + 1) / 2)
    assert (found["scoreLow"], found["scoreHigh"]) == pytest.approx(share_interval(5 / 6, 2))
    assert family.teacher_facts(test, answers, np.ones(3, dtype=bool)) == {}
    assert family.pool_facts(answers, [gold], gold[:0]) == {}
