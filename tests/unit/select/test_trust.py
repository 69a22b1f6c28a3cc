import numpy as np
import pytest
from select_kit import clouds, dropped, selected

from w2s_trainer.stages.select import summary_of
from w2s_trainer.stages.select.trust import Judged, cannot_teach

STEP = {"type": "Trust", "trust": {"keepFractionPerClass": "0.7"}}


def wrong_somewhere(n: int = 500, budget: int = 200):
    """Weak labels are right but where the second dimension is high: there nine of ten are wrong."""
    pool = clouds(n=n, noise=0.0, budget=budget)
    bad = (pool.features[:, 1] > 5.6) & (np.arange(n) % 10 > 0)
    pool.weak[bad] = pool.weak[bad][:, ::-1]
    return pool


def judged(right: int, wrong: int, families: int = 100) -> Judged:
    total = right + wrong
    return Judged(np.arange(total), np.arange(total) < right, np.arange(total) % families)


def test_it_learns_where_weak_labels_are_wrong():
    pool = wrong_somewhere()
    one = selected(pool, STEP, goldBudget=128)[0]
    gone = dropped(pool, one)
    chance = pool.wrong[pool.parts == "pool"].mean()
    assert pool.wrong[gone].mean() >= 0.75 > 2 * chance
    figures = one.audit[0]["figures"]
    assert figures["heldOutLogLoss"] < figures["baseLogLoss"]
    assert figures["trust"]["dropped"] < 0.5 < figures["trust"]["kept"]


def test_each_seed_learns_from_its_own_budget():
    pool = wrong_somewhere()
    by_seed = selected(pool, STEP, goldBudget=100)
    assert sorted(by_seed) == [0, 1]
    assert by_seed[0].left.rows.tolist() != by_seed[1].left.rows.tolist()
    summary = summary_of(by_seed)
    assert set(summary["otherSeeds"]) == {"1"}
    assert summary["otherSeeds"]["1"]["steps"][0]["figures"]["judged"] == 100


def test_weights_follow_trust():
    pool = wrong_somewhere()
    settings = {"keepFractionPerClass": "1", "weigh": True}
    one = selected(pool, {**STEP, "trust": settings}, goldBudget=128)[0]
    wrong = pool.wrong[one.left.rows]
    assert len(wrong) == (pool.parts == "pool").sum()
    assert one.left.weights[wrong].mean() < one.left.weights[~wrong].mean() / 1.5
    assert one.left.weights.sum() == pytest.approx(len(wrong))


def test_texts_of_the_pool_have_no_gold_that_it_could_see():
    pool = wrong_somewhere()
    other = pool.truth.copy()
    other[pool.parts == "pool"] = 1 - other[pool.parts == "pool"]
    first = selected(pool, STEP, goldBudget=128)[0].left.rows
    pool.truth[:] = other
    assert selected(pool, STEP, goldBudget=128)[0].left.rows.tolist() == first.tolist()


@pytest.mark.parametrize(
    ("pool", "budget", "why"),
    [
        (clouds(n=300, noise=0.0, budget=100), 64, "64 of 64 weak labels on the gold budget are right"),
        (clouds(n=300, noise=1.0, budget=100), 64, "0 of 64"),
        (wrong_somewhere(), 12, "12 texts with a weak label"),
        (clouds(n=600, noise=0.3, seed=1, budget=400), 300, "not better by more than"),
    ],
    ids=["all right", "all wrong", "too few", "wrong anywhere"],
)
def test_what_cannot_be_learnt_is_said_and_every_text_is_kept(pool, budget, why):
    by_seed = selected(pool, STEP, goldBudget=budget)
    assert len(by_seed[0].left.rows) == (pool.parts == "pool").sum()
    assert set(by_seed[0].left.weights) == {1.0}
    warned = summary_of(by_seed)["warnings"]
    assert any(line.startswith("Seed 0: Trust kept every text") and why in line for line in warned)


def test_on_labels_that_are_wrong_anywhere_it_seldom_believes_to_have_learnt_something():
    believed = 0
    for seed in range(20):
        pool = clouds(n=150, noise=0.3, seed=seed, budget=90)
        believed += not selected(pool, STEP, goldBudget=64)[0].notes
    assert believed <= 5


@pytest.mark.parametrize(
    ("one", "enough"),
    [
        (judged(4, 12), True),
        (judged(3, 13), False),
        (judged(13, 3), False),
        (judged(8, 7), False),
        (judged(8, 8, families=1), False),
    ],
)
def test_how_much_it_takes(one, enough):
    assert bool(cannot_teach(one)) is not enough


def test_a_budget_text_without_a_weak_label_is_not_judged(monkeypatch):
    pool = wrong_somewhere()
    (audit,) = selected(pool, STEP, goldBudget=100)[0].audit
    assert audit["figures"]["judged"] == 100
    from w2s_trainer.stages.select import trust

    silent = np.zeros(len(pool.ids), dtype=bool)
    silent[:150] = True
    real = trust.judge

    def half_silent(candidates):
        candidates.labels.abstain[:] = silent
        return real(candidates)

    monkeypatch.setattr(trust, "judge", half_silent)
    (audit,) = selected(pool, STEP)[0].audit
    assert audit["figures"]["judged"] == 50
