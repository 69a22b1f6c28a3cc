"""Golden vectors are computed by hand."""

import numpy as np
import pytest
from select_kit import clouds, dropped, selected

from w2s_trainer.stages.select.confident_learning import (
    by_noise_rate,
    calibrated,
    class_factors,
    confident_guess,
    confident_joint,
    thresholds,
)

SAID = np.array([[0.9, 0.1, 0.0], [0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1], [0.3, 0.6, 0.1]])
LABELS = np.array([0, 0, 0, 1, 1])
STEP = {"type": "ConfidentLearning", "confidentLearning": {}}


def test_thresholds_are_means_and_of_an_absent_class_there_is_none():
    assert thresholds(SAID, LABELS) == pytest.approx([0.6, 0.7, np.inf])


def test_a_guess_reaches_its_threshold_or_there_is_none():
    assert confident_guess(SAID, thresholds(SAID, LABELS)).tolist() == [0, 0, 1, 1, -1]


def test_of_several_classes_whose_threshold_is_reached_the_likeliest_is_guessed():
    assert confident_guess(np.array([[0.4, 0.5, 0.1]]), np.array([0.1, 0.3, 0.1])).tolist() == [1]


def test_an_absent_class_is_never_guessed():
    assert confident_guess(np.array([[0.1, 0.1, 0.8]]), np.array([0.3, 0.3, np.inf])).tolist() == [-1]


def test_the_joint_counts_labels_by_guess():
    guess = confident_guess(SAID, thresholds(SAID, LABELS))
    assert confident_joint(LABELS, guess, 3).tolist() == [[2, 1, 0], [0, 1, 0], [0, 0, 0]]


def test_rows_are_brought_to_the_number_of_their_texts_and_a_diagonal_is_never_nothing():
    joint = np.array([[2, 2, 0], [3, 0, 0], [0, 0, 0]])
    assert calibrated(joint, np.array([6, 4, 0])) == pytest.approx(
        np.array([[3, 3, 0], [3, 1, 0], [0, 0, 0]])
    )


def test_the_noise_rate_drops_as_many_as_the_joint_estimates():
    """Two of six are contradicted and two stay uncounted: half of the row is wrong, and the third largest margin goes, too."""
    second = np.array([0.1, 0.2, 0.45, 0.48, 0.8, 0.9])
    said = np.column_stack([1 - second, second])
    joint = np.array([[2, 2], [0, 0]])
    wrong = by_noise_rate(said, np.zeros(6, dtype=np.int64), joint)
    assert wrong.tolist() == [False, False, False, True, True, True]


def test_classes_are_weighed_up_by_what_they_lost():
    assert class_factors(np.array([[6, 2], [1, 3]])) == pytest.approx([7 / 6, 5 / 3])
    assert class_factors(np.array([[1, 0], [99, 3]]))[0] == 10


@pytest.mark.parametrize(("prune", "found"), [("Contradicted", 0.65), ("NoiseRate", 0.8)])
def test_planted_wrong_labels_are_found(prune, found):
    pool = clouds(noise=0.2)
    gone = dropped(pool, selected(pool, {**STEP, "confidentLearning": {"prune": prune}})[-1])
    assert pool.wrong[gone].mean() >= 0.9
    assert gone[pool.wrong].mean() >= found


def test_one_sided_noise_is_found_and_weighed():
    """Half of one class is called the other: the other's texts are too many and the one's too few."""
    pool = clouds(noise=0.0)
    flipped = (pool.truth == 1) & (np.arange(len(pool.truth)) % 2 == 0)
    pool.weak[flipped] = [0.9, 0.1]
    one = selected(pool, {**STEP, "confidentLearning": {"weigh": True}})[-1]
    assert flipped[dropped(pool, one)].mean() >= 0.8
    labels = pool.weak[one.left.rows].argmax(axis=1)
    (of_a,), (of_b,) = (np.unique(one.left.weights[labels == label].round(9)) for label in (0, 1))
    assert of_b / of_a == pytest.approx(2, rel=0.2)
    assert one.left.weights.sum() == pytest.approx(len(one.left.rows))


def test_no_class_loses_more_than_it_may():
    pool = clouds(noise=0.4)
    (step,) = selected(pool, {**STEP, "confidentLearning": {"mostDroppedPerClass": "0.1"}})[-1].audit
    for name, before in step["classesBefore"].items():
        assert step["figures"]["dropped"][name] == int(0.1 * before) < step["figures"]["found"][name]


def test_the_audit_tells_thresholds_and_counts():
    pool = clouds()
    (step,) = selected(pool, STEP)[-1].audit
    figures = step["figures"]
    assert set(figures) == {"thresholds", "confidentJoint", "found", "dropped"}
    assert sum(figures["dropped"].values()) == step["before"] - step["after"]
    assert all(0.5 < sure < 1 for sure in figures["thresholds"].values())
