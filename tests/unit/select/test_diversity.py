from itertools import combinations

import numpy as np
import pytest
from select_kit import clouds, selected

from w2s_trainer.stages.select.diversity import k_centres


def on_a_circle(*degrees: float) -> np.ndarray:
    angle = np.radians(degrees)
    return np.column_stack([np.cos(angle), np.sin(angle)]).astype(np.float32)


def test_the_first_is_in_the_middle_and_each_next_is_furthest():
    """The middle of 0°, 10°, 40° and 170° is 29°: nearest is 40°, furthest from that 170°, then 0°."""
    taken, nearest, cosine = k_centres(on_a_circle(0, 10, 40, 170), 3)
    assert taken.tolist() == [2, 3, 0]
    assert nearest.tolist() == [2, 2, 0, 1]
    assert cosine == pytest.approx([1, np.cos(np.radians(10)), 1, 1], abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_no_choice_covers_more_than_twice_as_well(seed):
    unit = np.random.default_rng(seed).normal(size=(10, 3)).astype(np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    taken, _, _ = k_centres(unit, 3)
    distance = np.linalg.norm(unit[:, None] - unit[None], axis=2)
    best = min(distance[:, list(some)].min(axis=1).max() for some in combinations(range(10), 3))
    assert distance[:, taken].min(axis=1).max() <= 2 * best + 1e-6


def test_equal_texts_can_all_be_taken():
    taken, nearest, _ = k_centres(on_a_circle(5, 5, 5), 3)
    assert sorted(taken.tolist()) == [0, 1, 2]
    assert sorted(nearest.tolist()) == [0, 1, 2]


def test_rare_groups_are_covered_where_a_draw_would_miss_them():
    """Thirty places with nine texts each, and one with a single text of its own."""
    rng = np.random.default_rng(0)
    places = rng.normal(size=(31, 8)) * 10
    pool = clouds(n=271, noise=0.0)
    at = np.minimum(np.arange(271) // 9, 30)
    pool.features[:] = places[at] + rng.normal(size=(271, 8)) * 0.01
    pool.weak[:] = [0.9, 0.1]
    pool.weak[0] = [0.1, 0.9]
    one = selected(pool, {"type": "Diversity", "diversity": {"keepFractionPerClass": "0.12", "weigh": True}})[
        -1
    ]
    assert set(at[one.left.rows].tolist()) == set(range(31))
    assert one.left.weights.sum() == pytest.approx(271)
    assert one.left.weights[one.left.rows == 270] == 1
    assert one.audit[0]["figures"]["radius"]["a"] < 0.1
