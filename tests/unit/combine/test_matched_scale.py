"""Closed forms of the scale at which a source claims what it is estimated to keep."""

import numpy as np
import pytest

from w2s_trainer.stages.combine.log_odds import from_logits, from_probabilities
from w2s_trainer.stages.combine.matched_scale import OWN_WORD, matched_scale, raised_scale

VOTE = 5 / 6
"""One vote of two classes: log-odds ln 5."""


def votes(said, k=2, sure=VOTE, silent=None):
    p = np.full((len(said), k), (1 - sure) / (k - 1))
    p[np.arange(len(said)), said] = sure
    return from_probabilities(p, None if silent is None else np.asarray(silent), floor=1e-6)


def scale_of(right: int, wrong: int, **more) -> float:
    said = np.zeros(right + wrong, dtype=int)
    gold = np.array([0] * right + [1] * wrong)
    return matched_scale(votes([0, 1] * 50), votes(said), gold, np.arange(len(gold)), **more)


@pytest.mark.parametrize(("right", "wrong"), [(19, 1), (60, 4), (12, 12), (3, 0)])
def test_a_vote_of_two_classes_gets_the_log_odds_of_its_estimated_accuracy(right, wrong):
    accuracy = (right + OWN_WORD * VOTE) / (right + wrong + OWN_WORD)
    expected = np.log(accuracy / (1 - accuracy)) / np.log(5)
    assert scale_of(right, wrong) == pytest.approx(expected, abs=1e-6)


def test_a_vote_of_many_classes():
    """P of the vote at scale a is 5^a / (5^a + K − 1), so that 5^a = (K − 1) r / (1 − r)."""
    k, said = 10, np.arange(10) % 10
    sure = 5 / 14  # (1 + ¼) / (1 + ¼ K)
    accuracy = (10 + OWN_WORD * sure) / (10 + OWN_WORD)
    found = matched_scale(votes(said, k, sure), votes(said, k, sure), said, np.arange(10))
    assert found == pytest.approx(np.log(9 * accuracy / (1 - accuracy)) / np.log(5), abs=1e-6)


def test_who_is_right_as_often_as_it_claims_stays_as_it_is():
    assert scale_of(50, 10) == pytest.approx(1.0, abs=1e-6)
    assert scale_of(5, 5, prior_labels=1e9) == pytest.approx(1.0, abs=1e-6)


def test_it_is_bounded():
    assert scale_of(0, 200) == 0.0
    assert scale_of(2000, 0) == 4.0


def test_copies_of_a_text_are_one_label():
    said = np.zeros(6, dtype=int)
    gold = np.array([0, 0, 0, 0, 1, 0])
    families = np.array([7, 7, 7, 7, 8, 8])  # one family right, one right by half
    accuracy = (1.5 + OWN_WORD * VOTE) / (2 + OWN_WORD)
    found = matched_scale(votes([0, 1]), votes(said), gold, families)
    assert found == pytest.approx(np.log(accuracy / (1 - accuracy)) / np.log(5), abs=1e-6)


def test_where_it_is_silent_nothing_counts():
    silent = [False] * 19 + [True] * 81
    gold = np.array([0] * 19 + [1] * 81)
    told = votes(np.zeros(100, dtype=int), silent=silent)
    heard = matched_scale(votes([0, 1]), told, gold, np.arange(100))
    assert heard == pytest.approx(scale_of(19, 0), abs=1e-6)
    nothing = votes([0, 1], silent=[True, True])
    assert matched_scale(votes([0, 1]), nothing, np.array([0, 1]), np.arange(2)) == 1.0
    assert matched_scale(nothing, votes([0, 1]), np.array([0, 1]), np.arange(2)) == 1.0


def test_it_is_a_temperature_of_any_source():
    """Log-odds times ten claim too much: a tenth of the scale says the same."""
    rng = np.random.default_rng(0)
    logits, gold = rng.normal(size=(80, 3)), rng.integers(3, size=80)
    families = np.arange(80)
    far = {"prior_labels": 1e-9}
    one = matched_scale(from_logits(logits), from_logits(logits), gold, families, **far)
    ten = matched_scale(from_logits(10 * logits), from_logits(10 * logits), gold, families, **far)
    assert 10 * ten == pytest.approx(one, rel=1e-5)


def test_the_teacher_of_a_combination_is_raised_and_never_lowered():
    def raised(right: int, wrong: int) -> float:
        said, gold = np.zeros(right + wrong, dtype=int), np.array([0] * right + [1] * wrong)
        return raised_scale(votes([0, 1] * 50), votes(said), gold, np.arange(len(gold)))

    assert raised(19, 1) == scale_of(19, 1) > 1
    assert scale_of(5, 15) < 1
    assert raised(5, 15) == 1.0
