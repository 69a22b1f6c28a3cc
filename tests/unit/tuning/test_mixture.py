"""Batches from several sources: in the proportions asked for, in every stretch of them, and each source read through."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s_trainer.tuning.mixture import Mixture, apportioned, replayed, spread

DRAWS = st.lists(st.integers(0, 60), min_size=1, max_size=4).filter(sum)


def rows_of(mixture: Mixture) -> list[int]:
    return [int(row) for step in range(mixture.steps) for row in mixture.batch(step)]


@given(DRAWS)
def test_each_source_comes_as_often_as_it_is_to(draws):
    assert Counter(spread(draws).tolist()) == {k: n for k, n in enumerate(draws) if n}


@given(st.integers(0, 60), st.integers(1, 60))
def test_of_two_sources_every_beginning_has_its_share(first, second):
    """By brute force: after t rows a source has come t d / n times, give or take one."""
    order, total = spread([first, second]), first + second
    for t in range(total + 1):
        assert abs((order[:t] == 0).sum() - t * first / total) <= 1


@given(DRAWS)
def test_of_more_sources_too_within_half_their_number(draws):
    order = spread(draws)
    for source, drawn in enumerate(draws):
        ideal = np.arange(1, len(order) + 1) * drawn / len(order)
        assert np.abs(np.cumsum(order == source) - ideal).max() <= 1 + len(draws) / 2


def test_by_hand():
    """Places of 0: 1/6, 3/6, 5/6; of 1: 1/2, which comes after an equal one."""
    assert spread([3, 1]).tolist() == [0, 0, 1, 0]
    assert spread([2, 2]).tolist() == [0, 1, 0, 1]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=3), st.integers(1, 5), st.integers(0, 3))
def test_each_source_is_read_through_before_it_begins_anew(sizes, batch_size, epochs):
    draws = tuple(epochs * size + size // 2 for size in sizes)
    mixture = Mixture(tuple(sizes), (draws,), batch_size, seed=3)
    rows, start = rows_of(mixture), 0
    assert len(rows) == sum(draws)
    for size, drawn in zip(sizes, draws, strict=True):
        of_it = [row - start for row in rows if start <= row < start + size]
        assert len(of_it) == drawn
        for epoch in range(epochs):
            assert sorted(of_it[epoch * size : (epoch + 1) * size]) == list(range(size))
        assert len(set(of_it[epochs * size :])) == drawn - epochs * size
        start += size


def test_every_batch_has_the_share():
    mixture = Mixture((96, 10), ((96, 32),), batch_size=16, seed=0)
    assert mixture.steps == 8
    assert [int((mixture.batch(step) >= 96).sum()) for step in range(8)] == [4] * 8


def test_a_batch_depends_on_the_step_and_the_seed_alone():
    def batches(seed: int, steps: range) -> dict[int, list[int]]:
        mixture = Mixture((20, 7), ((40, 15),), 6, seed)
        return {step: mixture.batch(step).tolist() for step in steps}

    forwards, backwards = batches(1, range(10)), batches(1, range(9, -1, -1))
    assert forwards == backwards
    assert forwards != batches(2, range(10))


def test_a_later_phase_has_its_own_proportions():
    rows = rows_of(Mixture((50, 50), ((30, 10), (0, 20)), 8, seed=0))
    assert [sum(row >= 50 for row in rows[:40]), sum(row >= 50 for row in rows[40:])] == [10, 20]
    general = [row for row in rows if row >= 50]
    assert len(set(general)) == 30, "it goes on where the phase before was"


def test_nothing_can_be_drawn_of_nothing():
    with pytest.raises(ValueError, match="cannot be drawn"):
        Mixture((5, 0), ((5, 1),), 2, 0)


@given(st.integers(0, 10_000), st.floats(0, 0.95))
def test_the_share_is_of_all_rows(domain, fraction):
    general = replayed(domain, fraction)
    assert abs(general - fraction * (domain + general)) <= 0.5


@given(st.integers(0, 1000), st.lists(st.floats(0.01, 5), min_size=1, max_size=5))
def test_parts_are_whole_and_nothing_is_lost(total, shares):
    parts = apportioned(total, shares)
    assert sum(parts) == total
    assert all(
        abs(part - total * share / sum(shares)) <= 1.001 for part, share in zip(parts, shares, strict=True)
    )
