"""The division into test and budget, what it can prove, and the gold budget of a seed."""

import hashlib

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from w2s_trainer.errors import BadData
from w2s_trainer.families.intervals import effective_size
from w2s_trainer.stages.budget import draw
from w2s_trainer.stages.prepare.power import families_missing, smallest_provable_gain
from w2s_trainer.stages.prepare.split import Gold, divide

NAMES = ("a", "b", "c")


def gold_of(rows: list[tuple[int, int]]) -> Gold:
    family, label = np.array(rows, dtype=np.int64).T
    return Gold(family, label, [hashlib.sha256(str(number).encode()).digest() for number in range(len(rows))])


def surely_divisible(gold: Gold) -> bool:
    """Each class has two families of its own."""
    pure = [set(gold.label[gold.family == family].tolist()) for family in np.unique(gold.family)]
    return all(pure.count({label}) >= 2 for label in range(3))


rows_of_gold = st.lists(st.tuples(st.integers(0, 25), st.integers(0, 2)), min_size=6, max_size=150)


@settings(deadline=None, max_examples=200)
@given(rows_of_gold, st.floats(0, 1), st.integers(0, 5), st.randoms(use_true_random=False))
def test_families_stay_whole_every_class_is_on_both_sides_and_order_does_not_matter(
    rows: list[tuple[int, int]], fraction: float, seed: int, chance: object
) -> None:
    gold = gold_of(rows)
    assume(set(gold.label.tolist()) == {0, 1, 2})
    try:
        test = divide(gold, NAMES, fraction, seed)
    except BadData:
        assert not surely_divisible(gold)
        return
    assert not set(gold.family[test]) & set(gold.family[~test])
    assert set(gold.label[test]) == set(gold.label[~test]) == {0, 1, 2}

    order = list(range(len(rows)))
    chance.shuffle(order)  # type: ignore[attr-defined]
    renumbered = (gold.family[order] * 31 + 5) % 977
    again = divide(
        Gold(renumbered, gold.label[order], [gold.identity[row] for row in order]), NAMES, fraction, seed
    )
    assert (again == test[order]).all()


@pytest.mark.parametrize("fraction", [0.2, 0.5, 0.7])
def test_the_test_has_its_share_of_every_class(fraction: float) -> None:
    chance = np.random.default_rng(0)
    rows = [(number // 2, int(chance.choice(3, p=[0.8, 0.15, 0.05]))) for number in range(2_000)]
    gold = gold_of(rows)
    test = divide(gold, NAMES, fraction, 0)
    for label in range(3):
        assert test[gold.label == label].mean() == pytest.approx(fraction, abs=0.08)
    assert test.mean() == pytest.approx(fraction, abs=0.01)


def test_barred_families_are_never_in_the_test() -> None:
    gold = gold_of([(number, number % 3) for number in range(90)])
    barred = frozenset(range(30))
    test = divide(gold, NAMES, 0.5, 0, barred)
    assert not barred & set(gold.family[test].tolist())
    assert test.sum() == 45


def test_a_class_with_two_families_is_on_both_sides() -> None:
    gold = gold_of([(number, 0) for number in range(50)] + [(100, 1), (101, 1), (102, 2), (103, 2)])
    for seed in range(20):
        test = divide(gold, NAMES, 0.5, seed)
        assert set(gold.label[test]) == set(gold.label[~test]) == {0, 1, 2}


def test_one_family_too_few_is_said_with_class_and_count() -> None:
    gold = gold_of([(number, number % 2) for number in range(50)] + [(100, 2)] * 7)
    with pytest.raises(BadData, match="7 gold rows of `c` are of one family") as caught:
        divide(gold, NAMES, 0.5, 0)
    assert caught.value.reason == "ClassNotInTest"


@pytest.mark.parametrize(
    ("families", "expected"), [([1, 2, 3, 4], 4.0), ([1, 1, 1, 1], 1.0), ([1, 1, 1, 2], 1.6), ([], 0.0)]
)
def test_effective_size(families: list[int], expected: float) -> None:
    assert effective_size(np.array(families, dtype=np.int64)) == pytest.approx(expected)


@pytest.mark.parametrize(("size", "gain"), [(49, 0.2001), (100, 0.1401), (400, 0.07004), (0, 1.0), (1, 1.0)])
def test_smallest_provable_gain(size: float, gain: float) -> None:
    assert smallest_provable_gain(size) == pytest.approx(gain, abs=1e-4)


@pytest.mark.parametrize(
    ("size", "families", "missing"), [(49, 60, 0), (24.5, 30, 30), (48, 48, 1), (0, 0, 49)]
)
def test_families_missing(size: float, families: int, missing: int) -> None:
    assert families_missing(size, families) == missing


IDS = [f"row-{number}" for number in range(200)]
LABELS = np.array([0] * 150 + [1] * 45 + [2] * 5, dtype=np.int64)


def test_smaller_budgets_are_the_beginning_of_larger_ones_and_have_every_class() -> None:
    whole = draw(IDS, LABELS, None, 3)
    assert sorted(whole.tolist()) == list(range(200))
    for size in (3, 16, 64):
        assert draw(IDS, LABELS, size, 3).tolist() == whole[:size].tolist()
        assert set(LABELS[whole[:size]]) == {0, 1, 2}
    assert len(draw(IDS, LABELS, 1_000, 3)) == 200


def test_each_seed_draws_its_own_whatever_the_order_of_rows() -> None:
    assert set(draw(IDS, LABELS, 50, 1).tolist()) != set(draw(IDS, LABELS, 50, 2).tolist())
    order = np.random.default_rng(0).permutation(200)
    shuffled = [IDS[row] for row in order]
    assert [shuffled[row] for row in draw(shuffled, LABELS[order], 50, 1)] == [
        IDS[row] for row in draw(IDS, LABELS, 50, 1)
    ]


def test_the_draw_never_changes() -> None:
    """A golden draw: budgets of finished jobs must be found again by a later version."""
    assert draw(IDS, LABELS, 6, 0).tolist() == GOLDEN
    assert draw([], np.empty(0, dtype=np.int64), None, 0).tolist() == []


GOLDEN = [188, 118, 196, 139, 71, 86]
