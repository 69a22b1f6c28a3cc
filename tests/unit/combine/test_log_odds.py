import numpy as np
import pytest

from w2s_trainer.stages.combine.log_odds import centred, log_softmax, of_probabilities


def test_two_classes_by_hand():
    # ln .8 - ln .2 = ln 4 is the log-odds; each class has half of it, with its sign.
    half = np.log(4) / 2
    assert of_probabilities(np.array([[0.8, 0.2]])) == pytest.approx(np.array([[half, -half]]))


def test_three_classes_by_hand():
    # ln of 1/2, 1/4, 1/4 is -1, -2, -2 times ln 2, of mean -5/3.
    said = of_probabilities(np.array([[0.5, 0.25, 0.25]]))
    assert said == pytest.approx(np.log(2) * np.array([[2 / 3, -1 / 3, -1 / 3]]))


def test_who_abstains_says_nothing_whatever_its_probabilities():
    said = of_probabilities(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([True, False]))
    assert said[0].tolist() == [0.0, 0.0]
    assert said[1, 0] > 1


def test_certainty_is_clipped():
    said = of_probabilities(np.array([[1.0, 0.0], [0.0, 1.0]]), floor=0.01)
    assert said == pytest.approx(np.log(10) * np.array([[1.0, -1.0], [-1.0, 1.0]]))


def test_a_constant_of_a_row_changes_nothing():
    logits = np.random.default_rng(0).normal(size=(5, 4))
    moved = logits + np.arange(5)[:, None]
    assert centred(moved) == pytest.approx(centred(logits))
    assert centred(log_softmax(logits)) == pytest.approx(centred(logits))


def test_softmax_of_a_hundred_extreme_classes_is_finite():
    logits = np.where(np.eye(100) > 0, 1e4, -1e4)
    log_p = log_softmax(logits)
    assert np.isfinite(log_p).all()
    assert np.exp(log_p) == pytest.approx(np.eye(100))
