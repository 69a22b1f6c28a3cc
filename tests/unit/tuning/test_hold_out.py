import numpy as np
import pytest

from w2s_trainer.stages.session import hold_out

FAMILIES = np.random.default_rng(0).integers(0, 60, size=400)


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_whole_families_until_the_fraction_is_reached(fraction, seed):
    held = hold_out(FAMILIES, fraction, seed)
    assert not set(FAMILIES[held]) & set(FAMILIES[~held])
    largest = np.bincount(FAMILIES).max()
    assert fraction * len(FAMILIES) <= held.sum() < fraction * len(FAMILIES) + largest


@pytest.mark.parametrize(
    ("families", "fraction", "held_families"),
    [
        ([3], 0.5, 0),
        ([3, 3, 3], 0.5, 0),
        ([], 0.1, 0),
        ([1, 2], 0.99, 1),
        ([1, 2, 5], 1.0, 2),
        ([1, 2, 5], 0.0, 1),
    ],
)
def test_one_family_at_least_and_one_stays(families, fraction, held_families):
    given = np.array(families, dtype=np.int64)
    held = hold_out(given, fraction, seed=0)
    assert held.dtype == bool
    assert held.shape == given.shape
    assert len(set(given[held])) == held_families


def test_the_same_seed_holds_out_the_same_families_in_whatever_order_the_texts_come():
    order = np.random.default_rng(1).permutation(len(FAMILIES))
    assert (hold_out(FAMILIES, 0.1, 3)[order] == hold_out(FAMILIES[order], 0.1, 3)).all()


def test_another_seed_draws_others():
    assert len({hold_out(FAMILIES, 0.1, seed).tobytes() for seed in range(10)}) == 10
