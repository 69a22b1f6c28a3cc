from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s_trainer.tuning.order import Order, micro_batches, shares

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=40)


class TestOrder:
    @pytest.mark.parametrize(
        ("rows", "batch_size", "epochs", "steps"),
        [(10, 4, 3, 9), (8, 4, 2, 4), (1, 32, 5, 5), (33, 32, 1, 2), (0, 4, 2, 0)],
    )
    def test_steps(self, rows, batch_size, epochs, steps):
        assert Order(rows, batch_size, epochs, seed=0).steps == steps

    def test_each_epoch_is_a_permutation_of_its_own(self):
        order = Order(rows=50, batch_size=8, epochs=3, seed=1)
        epochs = [np.concatenate([order.batch(7 * epoch + i) for i in range(7)]) for epoch in range(3)]
        assert all(sorted(epoch) == list(range(50)) for epoch in epochs)
        assert len({tuple(epoch) for epoch in epochs}) == 3

    def test_only_the_last_batch_of_an_epoch_is_smaller(self):
        order = Order(rows=10, batch_size=4, epochs=2, seed=0)
        assert [len(order.batch(step)) for step in range(order.steps)] == [4, 4, 2, 4, 4, 2]

    def test_a_batch_depends_on_the_step_and_the_seed_alone(self):
        forwards = [Order(20, 3, 5, seed=7).batch(step).tolist() for step in range(35)]
        backwards = [Order(20, 3, 5, seed=7).batch(step).tolist() for step in reversed(range(35))]
        assert forwards == backwards[::-1]
        assert forwards != [Order(20, 3, 5, seed=8).batch(step).tolist() for step in range(35)]

    @given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(1, 7), st.integers(0, 5))
    def test_with_ranks_each_epoch_is_a_permutation_from_low_to_high(self, ranks, batch_size, seed):
        order = Order(len(ranks), batch_size, 3, seed, np.array(ranks, dtype=np.float64))
        steps = order.steps // 3
        for epoch in range(3):
            rows = np.concatenate([order.batch(epoch * steps + step) for step in range(steps)])
            assert sorted(rows.tolist()) == list(range(len(ranks)))
            assert [ranks[row] for row in rows] == sorted(ranks)

    def test_equals_are_in_an_order_of_their_own_in_each_epoch_which_is_that_of_no_ranks(self):
        ranked = Order(50, 50, 2, 1, np.zeros(50))
        assert ranked.batch(0).tolist() != ranked.batch(1).tolist()
        assert [ranked.batch(step).tolist() for step in (0, 1)] == [
            Order(50, 50, 2, 1).batch(step).tolist() for step in (0, 1)
        ]

    def test_with_ranks_a_batch_depends_on_the_step_alone(self):
        ranks = np.arange(20) % 3.0
        forwards = [Order(20, 3, 5, 7, ranks).batch(step).tolist() for step in range(35)]
        backwards = [Order(20, 3, 5, 7, ranks).batch(step).tolist() for step in reversed(range(35))]
        assert forwards == backwards[::-1]

    def test_nobody_can_change_it(self):
        batch = Order(rows=10, batch_size=4, epochs=1, seed=0).batch(0)
        with pytest.raises(ValueError, match="read-only"):
            batch[0] = 5


def cost(cuts: list[list[int]], lengths: list[int], overhead: int) -> int:
    return sum(overhead + len(cut) * max(lengths[i] for i in cut) for cut in cuts)


def partitions(items: list[int]) -> Iterator[list[list[int]]]:
    """All ways to put items into groups, in whatever order."""
    if not items:
        yield []
        return
    first, rest = items[0], items[1:]
    for groups in partitions(rest):
        yield [[first], *groups]
        for place in range(len(groups)):
            yield [*groups[:place], [first, *groups[place]], *groups[place + 1 :]]


class TestMicroBatches:
    @given(LENGTHS, st.integers(1, 200), st.integers(0, 50), st.integers(1, 8))
    def test_every_text_once_within_the_tokens_longest_first(self, lengths, tokens, overhead, at_least):
        cuts = micro_batches(lengths, tokens, overhead=overhead, at_least=at_least)
        assert sorted(np.concatenate(cuts).tolist()) == list(range(len(lengths)))
        for cut in cuts:
            assert len(cut) == 1 or len(cut) * max(lengths[i] for i in cut) <= tokens
        flat = [lengths[i] for i in np.concatenate(cuts)]
        assert flat == sorted(flat, reverse=True)
        assert len(cuts) >= min(at_least, len(lengths))

    @pytest.mark.parametrize("seed", range(12))
    def test_no_other_division_costs_less(self, seed):
        rng = np.random.default_rng(seed)
        lengths = rng.integers(1, 30, size=7).tolist()
        tokens, overhead = int(rng.integers(20, 120)), int(rng.integers(0, 40))
        allowed = (
            groups
            for groups in partitions(list(range(7)))
            if all(
                len(group) == 1 or len(group) * max(lengths[i] for i in group) <= tokens for group in groups
            )
        )
        least = min(cost(groups, lengths, overhead) for groups in allowed)
        found = [cut.tolist() for cut in micro_batches(lengths, tokens, overhead=overhead)]
        assert cost(found, lengths, overhead) == least

    def test_overhead_decides_between_padding_and_another_pass(self):
        lengths = [10, 10, 2, 2]
        assert len(micro_batches(lengths, 1000, overhead=1)) == 2
        assert len(micro_batches(lengths, 1000, overhead=100)) == 1

    @given(st.integers(1, 60), st.integers(1, 9))
    def test_there_is_one_for_each_process(self, rows, at_least):
        cuts = micro_batches([5] * rows, 10_000, overhead=48, at_least=at_least)
        assert len(cuts) >= min(rows, at_least)
        if rows >= at_least**2:
            assert len(cuts) == at_least

    def test_two_processes_have_equal_shares_of_equal_texts(self):
        assert [len(cut) for cut in micro_batches([5] * 32, 10_000, overhead=48, at_least=2)] == [16, 16]

    def test_a_large_batch_is_cut_in_no_time(self):
        lengths = np.random.default_rng(0).integers(1, 500, size=20_000).tolist()
        assert sum(map(len, micro_batches(lengths, 8192, overhead=48))) == 20_000


class TestShares:
    @given(st.lists(st.integers(1, 100), max_size=30), st.integers(1, 6))
    def test_each_micro_batch_is_one_process_s(self, costs, processes):
        found = shares(costs, processes)
        assert len(found) == processes
        assert sorted(i for mine in found for i in mine) == list(range(len(costs)))
        assert found == [sorted(mine) for mine in found]
        assert found == shares(list(costs), processes)

    @given(st.lists(st.integers(1, 100), min_size=1, max_size=30), st.integers(1, 6))
    def test_no_process_has_much_more_than_another(self, costs, processes):
        load = [sum(costs[i] for i in mine) for mine in shares(costs, processes)]
        assert max(load) - min(load) <= max(costs)

    def test_costliest_first(self):
        assert shares([1, 1, 1, 9], 2) == [[3], [0, 1, 2]]
