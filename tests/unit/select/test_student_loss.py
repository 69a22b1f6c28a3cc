import numpy as np
import pytest
from select_kit import clouds, dropped, selected

from w2s_trainer.stages.select.ranking import margins
from w2s_trainer.stages.select.student_loss import of_even_classes, regions


def step(**settings):
    return {"type": "StudentLoss", "studentLoss": settings}


def test_a_margin_is_of_the_label_and_the_likeliest_other():
    said = np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.2, 0.2, 0.6]])
    assert margins(said, np.array([0, 1, 2])) == pytest.approx([0.2, -0.2, 0.4])


def test_a_rare_class_is_not_unlikely_for_being_rare():
    said = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.7, 0.3]])
    even = of_even_classes(said, np.array([0, 0, 0, 1]))
    assert even[3] == pytest.approx([0.7 / 0.85, 0.3 / 0.15] / np.sum([0.7 / 0.85, 0.3 / 0.15]))
    assert even[3].argmax() == 1


def test_a_class_without_labels_is_nowhere_and_one_of_next_to_none_is_not_everywhere():
    said = np.tile([0.6, 0.398, 0.001, 0.001], (8, 1))
    even = of_even_classes(said, np.array([0] * 4 + [1] * 3 + [2]))
    assert even[0] == pytest.approx(np.array([1, 1, 0.04, 0]) / 2.04)


def test_right_labels_of_a_rare_class_are_kept():
    """One text in eight is of class b, and the clouds overlap: heads hardly ever say b."""
    pool = clouds(n=320, noise=0.0, distance=0.5)
    rare = (pool.truth == 0) | (np.arange(320) % 7 == 0)
    pool.parts[~rare] = "elsewhere"
    one = selected(pool, step())[-1]
    before, after = (one.audit[0][name]["b"] for name in ("classesBefore", "classesAfter"))
    assert after >= 0.7 * before


def test_wrong_is_surely_below_nothing_and_hard_is_neither():
    wrong, hard = regions(np.array([-0.5, -0.1, 0.1, 0.5]), np.array([0.2, 0.2, 0.2, 0.2]))
    assert wrong.tolist() == [True, False, False, False]
    assert hard.tolist() == [False, True, True, False]


def test_planted_wrong_labels_are_found():
    pool = clouds(noise=0.2)
    gone = dropped(pool, selected(pool, step())[-1])
    assert pool.wrong[gone].mean() >= 0.9
    assert gone[pool.wrong].mean() >= 0.8


def test_hard_texts_are_kept_where_their_loss_alone_would_drop_them():
    """Rightly labelled texts between the clouds: half of them look wrong to a head, and few are dropped."""
    pool = clouds(n=300, noise=0.1, distance=2.5)
    between = np.arange(300) % 5 == 0
    pool.features[between, 0] = 5.0
    pool.weak[between] = np.eye(2)[pool.truth[between]] * 0.8 + 0.1
    one = selected(pool, step())[-1]
    gone = dropped(pool, one)
    assert gone[pool.wrong].mean() >= 0.8
    assert gone[between].mean() <= 0.35
    assert sum(one.audit[0]["figures"]["hard"].values()) > 0


def test_hard_texts_count_less_where_that_is_asked_for():
    pool = clouds(noise=0.1, distance=1.0)
    one = selected(pool, step(hardWeight="0.25"))[-1]
    low, high = np.unique(one.left.weights.round(9))
    assert low / high == pytest.approx(0.25)
    assert one.left.weights.sum() == pytest.approx(len(one.left.rows))


def test_no_class_loses_more_than_it_may():
    pool = clouds(noise=0.3)
    (audit,) = selected(pool, step(mostDroppedPerClass="0.05"))[-1].audit
    assert audit["figures"]["dropped"] == {name: int(0.05 * n) for name, n in audit["classesBefore"].items()}
