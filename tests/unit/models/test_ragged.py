"""Token ids end to end are the lists that they were made of."""

import numpy as np
import pytest

from w2s_trainer.models.ragged import Ragged, lengths_of

LISTS = [[1, 2, 3], [], [2**31 - 1], [4] * 1000, [5]]


def test_it_is_the_lists():
    ragged = Ragged(iter(LISTS))
    assert ragged == LISTS
    assert ragged != LISTS[:-1]
    assert [ragged[place] for place in range(-5, 5)] == LISTS * 2
    assert ragged[1:4] == LISTS[1:4]
    assert ragged.row(3).dtype == np.int32
    assert type(ragged[0][0]) is int
    with pytest.raises(IndexError):
        ragged[5]


def test_nothing_is_nothing():
    assert list(Ragged([])) == []
    assert lengths_of(Ragged([])).tolist() == []


def test_lengths_are_those_of_any_lists():
    assert lengths_of(Ragged(LISTS)).tolist() == lengths_of(LISTS).tolist() == [3, 0, 1, 1000, 1]
