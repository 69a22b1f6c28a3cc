"""What holds for all steps that select classes; those for texts are in `test_text_steps`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.strategies import integers
from select_kit import clouds, kept_ids, selected

from w2s_api.methods.selection_steps import SELECTION_STEPS
from w2s_trainer.stages.select import summary_of
from w2s_trainer.stages.select.ranking import best_per_class, weighed, without_the_worst

STEPS = {
    "Confidence": {"confidence": {"keepFractionPerClass": "0.5"}},
    "ConfidentLearning": {"confidentLearning": {"weigh": True}},
    "Neighbours": {"neighbours": {"keepFractionPerClass": "0.7", "weigh": True, "neighbours": 9}},
    "Trust": {"trust": {"keepFractionPerClass": "0.7", "weigh": True}},
    "StudentLoss": {"studentLoss": {"hardWeight": "0.5"}},
    "Correction": {"correction": {"evidence": "Either", "mixture": "0.7"}},
    "Diversity": {"diversity": {"keepFractionPerClass": "0.4", "weigh": True}},
    "Shares": {"shares": {"like": "GoldBudget", "by": "Dropping"}},
}


def step(name):
    return {"type": name, **STEPS[name]}


def pool_of(seed=0):
    pool = clouds(n=180, noise=0.25, seed=seed, budget=60)
    pool.weak[::4] = pool.weak[0]  # equally sure, so that ties must be broken
    pool.features[3:6] = pool.features[3]
    return pool


def test_all_steps_are_here():
    asking = {name for name, step in SELECTION_STEPS.items() if step.asks_question}  # see test_judge
    assert STEPS.keys() == {name for name, step in SELECTION_STEPS.items() if not step.only_for} - asking


@pytest.mark.parametrize("name", STEPS)
@settings(max_examples=5, deadline=None)
@given(order=integers(0, 2**32 - 1))
def test_neither_the_order_of_rows_nor_the_numbers_of_families_change_a_bit(name, order):
    pool = pool_of()
    shuffled = pool.at(np.random.default_rng(order).permutation(len(pool.ids)))
    first, again = (selected(one, step(name), goldBudget=40) for one in (pool, shuffled))
    assert first.keys() == again.keys()
    for seed in first:
        assert kept_ids(pool, first[seed]) == kept_ids(shuffled, again[seed])
        assert first[seed].audit == again[seed].audit
        assert record(pool, first[seed]) == record(shuffled, again[seed])


def record(pool, one):
    """What each corrected text is from now on, by its id."""
    return {pool.ids[made.row]: made.made.target.tolist() for made in one.corrected}


@pytest.mark.parametrize("name", STEPS)
def test_weights_are_above_nothing_and_positions_ascend(name):
    for one in selected(pool_of(), step(name), goldBudget=40).values():
        assert (one.left.weights > 0).all()
        assert (np.diff(one.left.rows) > 0).all()
        assert len(one.left.rows) == len(one.left.weights)


@pytest.mark.parametrize("name", STEPS)
def test_a_step_that_moves_weights_keeps_their_sum(name):
    pool = pool_of()
    before = {
        "type": "Shares",
        "shares": {"like": "Declared", "shares": [{"className": "a", "share": "0.8"}]},
    }
    (one, *_) = selected(pool, before, goldBudget=40).values()
    weights = dict(zip(one.left.rows.tolist(), one.left.weights.tolist(), strict=True))
    for after in selected(pool, before, step(name), goldBudget=40).values():
        kept = weights if name == "Diversity" else {row: weights[row] for row in after.left.rows.tolist()}
        assert after.left.weights.sum() == pytest.approx(sum(kept.values()))


def test_steps_one_after_another_are_each_audited_and_see_what_is_left():
    (one, *_) = selected(pool_of(), *(step(name) for name in STEPS), goldBudget=40).values()
    assert [said["type"] for said in one.audit] == list(STEPS)
    for before, after in zip(one.audit, one.audit[1:], strict=False):
        assert after["before"] == before["after"]


def test_steps_before_gold_is_seen_are_done_once_for_all_seeds(monkeypatch):
    from w2s_trainer.stages.select import confidence

    real, done = confidence.select, []
    monkeypatch.setattr(confidence, "select", lambda *given: done.append(1) or real(*given))
    by_seed = selected(pool_of(), step("Confidence"), step("Trust"), step("Confidence"), goldBudget=40)
    assert sorted(by_seed) == [0, 1]
    assert len(done) == 1 + 2


def test_the_audit_says_how_often_labelers_disagreed_on_what_was_dropped():
    """Two labelers: the second is silent on the first ten texts, and contradicts the first where that is wrong."""
    pool = clouds(noise=0.2)
    second = np.eye(2)[pool.truth]
    second[:10] = 0
    pool.opinions.update({"rules-0": pool.weak, "rules-1": second})
    (audit,) = selected(pool, step("ConfidentLearning"), labelers=2)[-1].audit
    rows = np.arange(len(pool.ids)) >= 10
    assert audit["disagreed"]["dropped"] >= 0.85
    assert audit["disagreed"]["kept"] <= 0.1
    gone = audit["before"] - audit["after"]
    total = audit["disagreed"]["dropped"] * gone + audit["disagreed"]["kept"] * audit["after"]
    assert total == pytest.approx((pool.wrong & rows).sum(), abs=1e-3)


def test_one_labeler_disagrees_with_nobody():
    (audit,) = selected(pool_of(), step("Neighbours"))[-1].audit
    assert "disagreed" not in audit


@pytest.mark.parametrize("names", [["Confidence"], ["Trust"], ["Neighbours", "Shares"], []])
def test_the_summary_is_documented(names, summary_is_documented):
    summary = summary_of(selected(pool_of(), *map(step, names), goldBudget=40))
    summary_is_documented(summary, "select")


def test_the_best_of_each_class_are_kept_and_of_equals_the_first():
    labels, scores = np.array([0, 0, 0, 1, 1]), np.array([0.1, 0.3, 0.3 + 1e-9, 0.5, 0.4])
    assert best_per_class(labels, scores, 0.34).tolist() == [False, True, True, True, False]
    assert best_per_class(labels, scores, 0.3).tolist() == [False, True, False, True, False]


def test_the_worst_are_dropped_and_of_equals_the_last():
    labels, wrong = np.zeros(5, dtype=np.int64), np.array([True, True, False, True, True])
    kept = without_the_worst(labels, np.array([0.2, 0.2, 0.0, 0.1, 0.2]), wrong, 0.4)
    assert kept.tolist() == [True, True, True, False, False]


def test_weights_keep_their_sum_over_what_is_kept():
    kept = np.array([True, True, False])
    found = weighed(np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.25, 9.0]), kept)
    assert found[kept].sum() == pytest.approx(3)
    assert found[0] / found[1] == pytest.approx(2)
