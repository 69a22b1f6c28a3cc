import numpy as np
import pytest
from select_kit import clouds, dropped, selected

from w2s_trainer.models.head import normalise
from w2s_trainer.stages.select import neighbours
from w2s_trainer.stages.select.neighbours import (
    agreement_of,
    closeness_of,
    cut_statistic,
    nearest_of_other_families,
)

NEAREST, CLOSENESS = (
    np.array([[1, 3], [0, 2], [1, 0], [0, 1]]),
    np.array([[1.0, 0.5], [1.0, 0.5], [1.0, 0.5], [1.0, 0.5]]),
)
LABELS = np.array([0, 0, 0, 1])


def step(**settings):
    return {"type": "Neighbours", "neighbours": {"keepFractionPerClass": "0.75", **settings}}


def test_closeness_falls_with_the_distance_of_unit_vectors():
    near = closeness_of(np.array([[1, 2, 3, -1]]), np.array([[1.0, 0.5, -1.0, -2.0]]))
    assert near == pytest.approx(np.array([[1, 1 / 2, 1 / 3, 0]]))


def test_agreement_is_a_share_of_closeness():
    assert agreement_of(LABELS, NEAREST, CLOSENESS) == pytest.approx([2 / 3, 1, 1, 0])


def test_the_cut_statistic_is_in_deviations_from_chance():
    """Of the first: J = .5, expected ¼ · 1.5, deviation √(¾ · ¼ · 1.25). Of the last: J = 1.5, expected ¾ · 1.5."""
    found = cut_statistic(LABELS, NEAREST, CLOSENESS)
    assert found == pytest.approx([0.258199, -0.774597, -0.774597, 0.774597], abs=1e-6)


def test_without_neighbours_or_without_another_label_it_is_what_chance_gives():
    assert cut_statistic(LABELS, np.full((4, 2), -1), np.zeros((4, 2))).tolist() == [0, 0, 0, 0]
    assert cut_statistic(np.zeros(4, dtype=np.int64), NEAREST, CLOSENESS).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(("rows", "columns"), [(7, 11), (1000, 1000), (50, 3)])
def test_blocks_find_what_a_full_matrix_finds(monkeypatch, rows, columns):
    monkeypatch.setattr(neighbours, "ROWS", rows)
    monkeypatch.setattr(neighbours, "COLUMNS", columns)
    pool = clouds(n=100)
    unit = normalise(pool.features - pool.features.mean(axis=0))
    near, cosine = nearest_of_other_families(unit, pool.families, 5)
    full = unit @ unit.T
    full[pool.families[:, None] == pool.families[None]] = -np.inf
    assert (near == np.argsort(-full, axis=1)[:, :5]).all()
    assert cosine == pytest.approx(-np.sort(-full, axis=1)[:, :5], abs=1e-6)


def test_neither_a_text_nor_its_family_is_its_neighbour():
    pool = clouds(n=60)
    unit = normalise(pool.features)
    near, _ = nearest_of_other_families(unit, pool.families, 57)
    assert (near >= 0).all()
    assert (pool.families[near] != pool.families[:, None]).all()


def test_where_there_are_fewer_than_asked_for_the_rest_is_missing():
    unit = normalise(clouds(n=6).features)
    near, _ = nearest_of_other_families(unit, np.array([0, 0, 0, 0, 0, 1]), 4)
    assert (near >= 0).sum(axis=1).tolist() == [1, 1, 1, 1, 1, 4]


def test_a_text_that_only_its_copies_agree_with_is_dropped():
    """Copies in its own family have its own wrong label: counted, they would save it (k = 2)."""
    pool = clouds(n=150, noise=0.0, distance=4.0)
    odd = pool.families == 4
    pool.features[odd] = pool.features[~odd & (pool.truth == 0)][0]
    pool.weak[odd] = [0.1, 0.9]
    gone = dropped(pool, selected(pool, step(neighbours=2))[-1])
    assert gone[odd].all()


def test_planted_wrong_labels_are_dropped_first():
    pool = clouds(noise=0.2)
    gone = dropped(pool, selected(pool, step())[-1])
    assert gone[pool.wrong].mean() >= 0.85
    assert pool.wrong[gone].mean() >= 0.65


def test_weights_follow_agreement_and_keep_their_sum():
    pool = clouds(noise=0.2)
    one = selected(pool, step(keepFractionPerClass="1", weigh=True))[-1]
    assert len(one.left.rows) == len(pool.ids)
    assert one.left.weights.sum() == pytest.approx(len(pool.ids))
    assert one.left.weights[pool.wrong].mean() < one.left.weights[~pool.wrong].mean() / 2
    assert one.audit[0]["weights"]["lowest"] > 0
