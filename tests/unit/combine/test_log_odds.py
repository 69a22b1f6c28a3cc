import numpy as np
import pytest

from w2s_trainer.stages.combine.log_odds import (
    Source,
    centred,
    from_logits,
    from_probabilities,
    log_shares,
    log_softmax,
    mean_answer,
)


def test_two_classes_by_hand():
    # ln .8 - ln .2 = ln 4 is the log-odds; each class has half of it, with its sign.
    half = np.log(4) / 2
    assert from_probabilities(np.array([[0.8, 0.2]])).log_odds == pytest.approx(np.array([[half, -half]]))


def test_three_classes_by_hand():
    # ln of 1/2, 1/4, 1/4 is -1, -2, -2 times ln 2, of mean -5/3.
    said = from_probabilities(np.array([[0.5, 0.25, 0.25]])).log_odds
    assert said == pytest.approx(np.log(2) * np.array([[2 / 3, -1 / 3, -1 / 3]]))


def test_certainty_is_clipped():
    said = from_probabilities(np.array([[1.0, 0.0], [0.0, 1.0]]), floor=0.01).log_odds
    assert said == pytest.approx(np.log(10) * np.array([[1.0, -1.0], [-1.0, 1.0]]))


def test_a_constant_of_a_row_changes_nothing():
    logits = np.random.default_rng(0).normal(size=(5, 4))
    moved = logits + np.arange(5)[:, None]
    assert from_logits(moved).log_odds == pytest.approx(from_logits(logits).log_odds)
    assert from_logits(log_softmax(logits)).log_odds == pytest.approx(from_logits(logits).log_odds)


def test_probabilities_and_their_logarithms_are_the_same_source():
    p = np.array([[0.7, 0.2, 0.1]])
    assert from_probabilities(p).log_odds == pytest.approx(from_logits(np.log(p)).log_odds)


def test_the_mean_answer_is_that_of_the_texts_that_are_answered():
    p = np.array([[0.9, 0.1], [0.5, 0.5], [0.01, 0.99]])
    source = from_probabilities(p, np.array([False, False, True]))
    assert mean_answer(source) == pytest.approx(log_shares(np.array([0.7, 0.3])))
    assert mean_answer(source.at(np.array([1]))) == pytest.approx([0, 0])
    assert mean_answer(source.at(np.array([2]))).tolist() == [0, 0]  # it answers none


def test_shares_by_hand_and_without_a_class():
    assert log_shares(np.array([0.8, 0.2])) == pytest.approx([np.log(2), -np.log(2)])
    assert np.isfinite(log_shares(np.array([1.0, 0.0]))).all()


def test_some_of_the_texts():
    source = Source(np.arange(6.0).reshape(3, 2), np.array([True, False, False]))
    some = source.at(np.array([2, 0]))
    assert some.log_odds.tolist() == [[4, 5], [0, 1]]
    assert some.abstain.tolist() == [False, True]


def test_softmax_of_a_hundred_extreme_classes_is_finite():
    logits = np.where(np.eye(100) > 0, 1e4, -1e4)
    log_p = log_softmax(logits)
    assert np.isfinite(log_p).all()
    assert np.exp(log_p) == pytest.approx(np.eye(100))
    assert centred(logits).sum(axis=1) == pytest.approx(np.zeros(100), abs=1e-6)
