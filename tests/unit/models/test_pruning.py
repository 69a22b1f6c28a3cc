"""Which weights are pruned, against sorting by hand in numpy."""

import numpy as np
import pytest
import torch

from w2s_trainer.models.pruning import (
    cosines,
    kept_neurons,
    smallest,
    smallest_of_rows,
    two_of_four,
    wanda_scores,
)


def some(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def by_hand(scores: np.ndarray, count: int) -> np.ndarray:
    """The places of the `count` smallest of a vector, one after the other; of equal ones the first."""
    gone: list[int] = []
    for _ in range(count):
        left = [place for place in range(len(scores)) if place not in gone]
        gone.append(min(left, key=lambda place: (scores[place], place)))
    return np.isin(np.arange(len(scores)), gone)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.37, 0.5, 0.99])
def test_of_each_row_the_smallest_are_pruned(share):
    scores = np.abs(some(5, 13))
    scores[1, 3] = scores[1, 8]  # a tie
    wanted = np.stack([by_hand(row, int(share * 13)) for row in scores])
    assert np.array_equal(smallest_of_rows(torch.from_numpy(scores), share).numpy(), wanted)
    flat = by_hand(scores.reshape(-1), int(share * 65)).reshape(5, 13)
    assert np.array_equal(smallest(torch.from_numpy(scores), share).numpy(), flat)


def test_wanda_is_the_published_formula_on_a_tiny_layer():
    """|W_ij| ‖X_j‖₂, and of each output the smallest half: figure 1 of the paper in numbers of its kind."""
    weight = torch.tensor([[4.0, 0.0, 1.0, -1.0], [3.0, -2.0, -1.0, -3.0], [-3.0, 1.0, 0.0, 2.0]])
    norms = torch.tensor([1.0, 2.0, 8.0, 3.0])
    scores = wanda_scores(weight, norms)
    assert scores.tolist() == [[4, 0, 8, 3], [3, 4, 8, 9], [3, 2, 0, 6]]
    mask = smallest_of_rows(scores, 0.5)
    assert torch.where(mask, 0, weight).tolist() == [[4, 0, 1, 0], [0, 0, -1, -3], [-3, 0, 0, 2]]
    by_magnitude = torch.where(smallest_of_rows(weight.abs(), 0.5), 0, weight)
    assert by_magnitude.tolist() != torch.where(mask, 0, weight).tolist()


def test_two_of_each_four_are_pruned():
    scores = np.abs(some(6, 20))
    mask = two_of_four(torch.from_numpy(scores)).numpy()
    assert (mask.reshape(6, 5, 4).sum(axis=2) == 2).all()
    for row, group in np.ndindex(6, 5):
        part = slice(4 * group, 4 * group + 4)
        assert np.array_equal(mask[row, part], by_hand(scores[row, part], 2))


def test_neurons_stay_by_the_sum_of_their_column():
    scores = np.abs(some(7, 10))
    wanted = np.flatnonzero(~by_hand(scores.astype(np.float64).sum(axis=0), 3))
    assert kept_neurons(torch.from_numpy(scores), 0.3).tolist() == wanted.tolist()


def test_cosines_are_those_of_each_token():
    first, second = some(2, 3, 5), some(2, 3, 5, seed=1)
    wanted = [
        a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        for a, b in zip(
            first.reshape(-1, 5).astype(np.float64), second.reshape(-1, 5).astype(np.float64), strict=True
        )
    ]
    found = cosines(torch.from_numpy(first), torch.from_numpy(second))
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-9)
