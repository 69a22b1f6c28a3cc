"""Merging: closed forms, and peft's own functions where it has them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft.utils import merge_utils

from w2s_trainer.models import merging

A = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
B = torch.tensor([[0.0, 1.0], [0.0, 0.0]])


def vectors(seed: int, count: int = 3, shape: tuple[int, ...] = (6, 7)) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for _ in range(count)]


def test_linear_is_the_weighted_mean():
    assert torch.equal(merging.linear(A, [B], [0.25]), 0.75 * A + 0.25 * B)
    assert torch.equal(merging.linear(A, [B, B], [0.0, 0.0]), A)
    assert torch.equal(merging.linear(A, [B], [1.0]), B)


def test_slerp_goes_along_the_circle():
    """Two orthogonal unit vectors: (cos, sin) of the part of the right angle."""
    for weight in (0.0, 0.25, 0.5, 1.0):
        angle = torch.tensor(weight * torch.pi / 2)
        expected = torch.cos(angle) * A + torch.sin(angle) * B
        torch.testing.assert_close(merging.slerp(A, B, weight), expected)
    assert float(merging.slerp(A, B, 0.3).norm()) == pytest.approx(1, abs=1e-6)


@given(st.integers(0, 50), st.floats(0, 1))
def test_slerp_keeps_to_its_ends_and_to_the_length(seed, weight):
    one, two = vectors(seed, 2)
    two = two * (one.norm() / two.norm())
    merged = merging.slerp(one, two, weight)
    assert float(merged.norm()) == pytest.approx(float(one.norm()), rel=1e-4)


@pytest.mark.parametrize("other", [2 * A, torch.zeros(2, 2), -A])
def test_without_an_arc_slerp_is_linear(other):
    torch.testing.assert_close(merging.slerp(A, other, 0.25), 0.75 * A + 0.25 * other)


def test_task_arithmetic_adds_and_forgets():
    tuned = A + 3 * B
    torch.testing.assert_close(A + merging.task_arithmetic([tuned - A], [1.0]), tuned)
    torch.testing.assert_close(tuned + merging.task_arithmetic([tuned - A], [-1.0]), A)


@given(st.integers(0, 200), st.sampled_from([0.1, 0.2, 0.5, 0.99]))
def test_ties_is_that_of_peft(seed, density):
    given, weights = vectors(seed), [0.3, 1.0, 0.7]
    theirs = merge_utils.ties(given, torch.tensor(weights), density)
    torch.testing.assert_close(merging.ties(given, weights, density), theirs)
    theirs = merge_utils.task_arithmetic(given, torch.tensor(weights))
    torch.testing.assert_close(merging.task_arithmetic(given, weights), theirs)


def test_ties_by_hand():
    """Yadav et al. 2023, figure 1 in small: trimmed to two entries each, signs elected, the losers left out."""
    one, two = torch.tensor([3.0, -4.0, 0.1, 0.0]), torch.tensor([1.0, 2.0, 0.2, 0.3])
    merged = merging.ties([one, two], [1.0, 1.0], density=0.5)
    # kept: [3, −4, 0, 0] and [1, 2, 0, 0]; signs: + (4), − (−2); the mean of those that agree: 2 and −4
    assert merged.tolist() == [2.0, -4.0, 0.0, 0.0]


def test_dare_is_task_arithmetic_in_the_mean_and_drops_its_share():
    given, weights = vectors(1, 2, (40, 40)), [0.5, 1.0]
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack([merging.dare(given, weights, 0.25, generator) for _ in range(400)])
    mean = merging.task_arithmetic(given, weights)
    # Var of an entry: Σ w² τ² (1 − p)/p; 400 draws
    error = (sum((w * v).square() for w, v in zip(weights, given, strict=True)) * 3 / 400).sqrt()
    assert float(((draws.mean(0) - mean).abs() / error).mean()) == pytest.approx(
        (2 / torch.pi) ** 0.5, abs=0.05
    )
    alone = merging.dare(given[:1], [1.0], 0.25, generator)
    assert float((alone != 0).float().mean()) == pytest.approx(0.25, abs=0.03)
    torch.testing.assert_close(alone[alone != 0], 4 * given[0][alone != 0])


def test_with_all_kept_dare_is_task_arithmetic():
    given = vectors(2)
    generator = torch.Generator().manual_seed(0)
    torch.testing.assert_close(
        merging.dare(given, [1.0, 0.5, 0.2], 1.0, generator), merging.task_arithmetic(given, [1.0, 0.5, 0.2])
    )


def test_the_same_seed_drops_the_same():
    given = vectors(3)
    once, again = (merging.dare(given, [1.0] * 3, 0.5, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(once, again)
