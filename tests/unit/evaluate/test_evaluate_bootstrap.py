"""The intervals: do they hold what they promise, and only that?"""

import numpy as np
import pytest
from scipy import stats

from w2s_trainer.stages.evaluate.bootstrap import (
    SeedShares,
    family_weights,
    interval,
    over_seeds,
    seed_shares,
)


def mean_interval(groups: np.ndarray, values: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """The 95 % interval of a mean over items, resampled by group."""
    size = int(groups.max()) + 1
    weights = family_weights(size, rng, 600)
    sums, counts = np.bincount(groups, values, size), np.bincount(groups, minlength=size)
    found = interval(np.array([values.mean()]), (weights @ sums) / (weights @ counts))
    return found.low, found.high


def test_families_cover_the_true_difference_and_rows_do_not() -> None:
    """Two arms that are right by family: 300 tests of 80 families, true difference 0."""
    rng = np.random.default_rng(7)
    covered = {"families": 0, "rows": 0}
    for _ in range(300):
        families = np.repeat(np.arange(80), rng.integers(1, 9, 80))
        one, other = rng.beta(0.6, 0.3, (2, 80))
        difference = (rng.random(len(families)) < one[families]).astype(float)
        difference -= rng.random(len(families)) < other[families]
        for kind, groups in (("families", families), ("rows", np.arange(len(families)))):
            low, high = mean_interval(groups, difference, rng)
            covered[kind] += low <= 0 <= high
    assert 0.915 <= covered["families"] / 300 <= 0.985
    assert covered["rows"] / 300 < 0.88


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_few_seeds_cover_the_true_difference(seeds: int) -> None:
    """Without the spread of the seeds the same intervals miss it far too often."""
    rng = np.random.default_rng(seeds)
    covered = {"with the spread": 0, "families only": 0}
    for _ in range(300):
        values = rng.normal(0.05, 0.4, 100) + rng.normal(0, 0.08, (seeds, 1))
        replicates = values @ family_weights(100, rng, 400).T / 100
        shares = seed_shares(seeds, rng, 400).for_intervals
        points = values.mean(axis=1)
        for kind, given in (("with the spread", points), ("families only", points.mean(keepdims=True))):
            found = interval(given, over_seeds(replicates, shares))
            covered[kind] += found.low <= 0.05 <= found.high
    assert covered["with the spread"] / 300 >= 0.93
    assert covered["families only"] / 300 < 0.90


def test_spread_of_seeds_by_hand() -> None:
    found = interval(np.array([0.1, 0.2, 0.3]), np.full(2000, 0.2))
    half = 4.302653 * 0.1 / np.sqrt(3)  # Student's t of 2 degrees of freedom
    assert (found.low, found.high) == pytest.approx((0.2 - half, 0.2 + half), abs=1e-6)


def test_families_and_seeds_add_in_squares_on_each_side_apart() -> None:
    replicates = np.concatenate([np.full(1000, 0.2 - 0.03), np.full(1000, 0.2 + 0.3)])
    found = interval(np.array([0.1, 0.2, 0.3]), replicates)
    half = stats.t.ppf(0.975, 2) * 0.1 / np.sqrt(3)
    assert 0.2 - found.low == pytest.approx(np.hypot(0.03, half))
    assert found.high - 0.2 == pytest.approx(np.hypot(0.3, half))


def test_one_seed_has_no_spread() -> None:
    replicates = np.linspace(0, 1, 2001)
    found = interval(np.array([0.4]), replicates)
    assert (found.estimate, found.low, found.high) == pytest.approx((0.4, 0.025, 0.975))


@pytest.mark.parametrize("seeds", [2, 3, 5, 20])
def test_few_seeds_move_means_by_students_t(seeds: int) -> None:
    values = np.random.default_rng(0).normal(size=seeds)
    shares = seed_shares(seeds, np.random.default_rng(1), 4000)
    moved = (shares.for_functions @ values - values.mean()) / (values.std(ddof=1) / np.sqrt(seeds))
    assert stats.kstest(moved, "t", args=(seeds - 1,)).pvalue > 1e-3
    assert np.allclose(shares.for_intervals, 1 / seeds)


@pytest.mark.parametrize("seeds", [1, 2, 4, 5, 20])
def test_shares_of_seeds_sum_to_one(seeds: int) -> None:
    shares: SeedShares = seed_shares(seeds, np.random.default_rng(0), 50)
    for one in (shares.for_intervals, shares.for_functions):
        assert one.shape == (50, seeds)
        assert np.allclose(one.sum(axis=1), 1)


def test_an_arm_that_no_seed_changes_is_the_same_for_every_seed() -> None:
    replicates = np.arange(6.0)
    shares = seed_shares(3, np.random.default_rng(0), 6).for_functions
    assert over_seeds(replicates[None], shares).tolist() == replicates.tolist()
    assert np.allclose(over_seeds(np.tile(replicates, (3, 1)), shares), replicates)


def test_families_are_drawn_with_replacement() -> None:
    weights = family_weights(7, np.random.default_rng(0), 1000)
    assert (weights.sum(axis=1) == 7).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(7), abs=0.12)
