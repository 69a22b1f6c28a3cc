import numpy as np
import pytest
from select_kit import clouds, selected

from w2s_trainer.errors import BadSpec
from w2s_trainer.stages.select.shares import declared, of_shares

SURE = {"type": "Confidence", "confidence": {"keepFractionPerClass": "0.5"}}


def step(**settings):
    return {"type": "Shares", "shares": settings}


def of_a(share: str, **more: str) -> dict:
    return {"like": "Declared", "shares": [{"className": "a", "share": share}], **more}


def weighed_share(pool, one) -> float:
    labels = pool.weak[one.left.rows].argmax(axis=1)
    return float(one.left.weights[labels == 0].sum() / one.left.weights.sum())


def test_classes_that_are_not_named_divide_the_rest_as_they_do():
    assert declared({0: 0.4}, np.array([0.5, 0.3, 0.2])) == pytest.approx([0.4, 0.36, 0.24])


def test_as_many_are_kept_as_can_be_had():
    labels = np.array([0] * 60 + [1] * 30 + [2] * 10)
    kept = of_shares(labels, np.array([0.25, 0.5, 0.25]))
    assert np.bincount(labels[kept]).tolist() == [10, 20, 10]


def test_no_class_is_rounded_away():
    kept = of_shares(np.array([0] * 9 + [1]), np.array([0.99, 0.01]))
    assert kept.sum() == 10
    kept = of_shares(np.array([0] * 5 + [1] * 5), np.array([0.99, 0.01]))
    assert kept.tolist() == [True] * 6 + [False] * 4


def test_weights_bring_declared_shares_and_keep_every_text():
    pool = clouds()
    one = selected(pool, step(**of_a("0.9")))[-1]
    assert len(one.left.rows) == len(pool.ids)
    assert weighed_share(pool, one) == pytest.approx(0.9)
    assert one.left.weights.sum() == pytest.approx(len(pool.ids))
    assert one.audit[0]["figures"]["sharesAfter"] == {"a": 0.9, "b": 0.1}


def test_dropping_brings_declared_shares_without_weights():
    pool = clouds()
    one = selected(pool, step(**of_a("0.25", by="Dropping")))[-1]
    assert set(one.left.weights) == {1.0}
    assert weighed_share(pool, one) == pytest.approx(0.25, abs=0.01)
    assert one.audit[0]["classesAfter"]["b"] == one.audit[0]["classesBefore"]["b"]


def test_weights_of_steps_before_are_part_of_the_shares():
    pool = clouds()
    one = selected(pool, step(**of_a("0.9")), step(**of_a("0.5")))[-1]
    assert weighed_share(pool, one) == pytest.approx(0.5)


def test_shares_before_the_selection_come_back():
    pool = clouds(noise=0.0)
    uneven = step(**of_a("0.9", by="Dropping"))
    one = selected(pool, uneven, step(like="BeforeSelection"))[-1]
    assert weighed_share(pool, one) == pytest.approx((pool.truth == 0).mean(), abs=1e-6)


def test_shares_of_the_gold_budget_are_of_each_seed_with_one_more_of_each_class():
    pool = clouds(n=300, budget=100)
    by_seed = selected(pool, step(like="GoldBudget"), goldBudget=30)
    assert sorted(by_seed) == [0, 1]
    found = {weighed_share(pool, one) for one in by_seed.values()}
    assert len(found) == 2
    assert all(round(share * 32 - 1, 6).is_integer() for share in found)


@pytest.mark.parametrize("more", [[], [{"className": "b", "share": "0.2"}]])
def test_shares_that_leave_nothing_are_refused(more):
    shares = [{"className": "a", "share": "1"}, *more]
    with pytest.raises(BadSpec, match="together"):
        selected(clouds(), step(like="Declared", shares=shares))


def test_moving_shares_on_purpose_is_no_warning():
    from w2s_trainer.stages.select import summary_of

    assert summary_of(selected(clouds(), step(**of_a("0.2", by="Dropping"))))["warnings"] == []


def test_texts_that_are_dropped_are_drawn_whatever_their_order():
    pool = clouds()
    order = np.random.default_rng(1).permutation(len(pool.ids))
    backwards = pool.at(order)
    first, again = (
        selected(one, step(**of_a("0.2", by="Dropping")))[-1].left.rows for one in (pool, backwards)
    )
    assert {pool.ids[row] for row in first} == {backwards.ids[row] for row in again}
