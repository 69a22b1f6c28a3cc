"""Prior matching, against what is known and against a slow solver."""

import numpy as np
import pytest
from scipy.optimize import minimize

from w2s_trainer.stages.label.prior import TOLERANCE, matching_shift, shares, uniform


def softmax(scores):
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("spread", [0.1, 3.0, 40.0])
@pytest.mark.parametrize("k", [2, 3, 20])
def test_the_mean_probability_of_each_class_is_its_target(k, spread, seed):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(256, k)) * spread + rng.normal(size=k) * 10 - 50
    target = rng.dirichlet(np.full(k, 5.0))
    shift = matching_shift(scores, target)
    # Where every answer is all but certain, float64 ends the search first: the target is met to a text's share.
    assert np.abs(softmax(scores + shift).mean(axis=0) - target).max() < (1e-6 if spread < 10 else 1 / 256)
    assert shift.mean() == pytest.approx(0, abs=1e-9)


def test_a_known_preference_is_undone():
    rng = np.random.default_rng(0)
    half = rng.normal(size=(500, 1))
    fair = np.concatenate([np.hstack([half, -half]), np.hstack([-half, half])])
    shift = matching_shift(fair + np.array([3.0, 0.0]), uniform(2))
    assert shift == pytest.approx([-1.5, 1.5], abs=1e-6)


def test_the_shift_is_the_one_that_a_slow_solver_finds():
    rng = np.random.default_rng(3)
    scores, target = rng.normal(size=(64, 3)) * 2, np.array([0.5, 0.3, 0.2])

    def objective(shift):
        return np.log(np.exp(scores + shift).sum(axis=1)).mean() - target @ shift

    found = minimize(objective, np.zeros(3), tol=1e-14).x
    assert matching_shift(scores, target) == pytest.approx(found - found.mean(), abs=1e-4)


def test_a_prior_that_fits_is_left_alone_and_no_texts_shift_nothing():
    scores = np.log(np.array([[0.9, 0.1], [0.1, 0.9]]))
    assert matching_shift(scores, uniform(2)) == pytest.approx([0, 0], abs=TOLERANCE)
    assert matching_shift(np.empty((0, 3)), uniform(3)).tolist() == [0, 0, 0]


def test_no_class_is_impossible_for_gold_shares():
    assert shares(np.array([1, 1, 1]), 3) == pytest.approx([1 / 6, 4 / 6, 1 / 6])
