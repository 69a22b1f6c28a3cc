"""Worth in expert labels: read off the curve, and never beyond it."""

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from w2s_trainer.stages.evaluate.worth import isotonic, worth

SIZES = np.array([16, 32, 64])


def point(curve: list[float], value: float) -> str:
    given = np.array(curve)
    sizes = 16 * 2 ** np.arange(len(given))
    return str(worth(sizes, given, value, np.tile(given[:, None], 4), np.full(4, value))[0])


@pytest.mark.parametrize(
    ("curve", "value", "labels"),
    [
        pytest.param([0.6, 0.7, 0.8], 0.7, "32", id="on a point"),
        pytest.param([0.6, 0.7, 0.8], 0.75, "45", id="between points, linear in log2: 2^5.5"),
        pytest.param([0.6, 0.7, 0.8], 0.6, "16", id="on the first point"),
        pytest.param([0.6, 0.7, 0.8], 0.59, "fewer than 16", id="below the first point"),
        pytest.param([0.6, 0.7, 0.8], 0.8, "64", id="on the last point"),
        pytest.param([0.6, 0.7, 0.8], 0.81, "at least 64", id="never: nothing is extrapolated"),
        pytest.param([0.6, 0.6, 0.8], 0.6, "16", id="a flat curve is met where it begins"),
        pytest.param([0.6, 0.9, 0.5], 0.8, "at least 64", id="one lucky point is pooled: .6, .7, .7"),
        pytest.param([0.6, 0.9, 0.5], 0.65, "23", id="a curve that falls is pooled: 2^4.5"),
        pytest.param([0.7], 0.8, "at least 16", id="one point, above"),
        pytest.param([0.7], 0.6, "fewer than 16", id="one point, below"),
    ],
)
def test_where_the_student_meets_the_curve(curve: list[float], value: float, labels: str) -> None:
    assert point(curve, value) == labels


def test_the_interval_says_when_it_is_open() -> None:
    curve = np.array([0.6, 0.7, 0.8])
    values = np.random.default_rng(0).normal(0.7, 0.1, 2000)
    estimate, low, high = worth(SIZES, curve, 0.7, np.tile(curve[:, None], 2000), values)
    assert (str(estimate), str(low), str(high)) == ("32", "fewer than 16", "at least 64")
    assert high.to_json() == {"labels": 64, "bound": "at least", "text": "at least 64"}


def test_the_interval_is_that_of_the_replicates() -> None:
    curve = np.array([0.6, 0.7, 0.8])
    values = np.linspace(0.6, 0.8, 1001)  # 2^(4 … 6), evenly
    _, low, high = worth(SIZES, curve, 0.7, np.tile(curve[:, None], 1001), values)
    assert (low.count, high.count) == (round(2**4.05), round(2**5.95))


def test_each_replicate_has_its_own_curve() -> None:
    """The student moves with the curve, as paired arms do: then the interval is a point."""
    shift = np.random.default_rng(0).normal(0, 0.2, 500)
    curve = np.array([0.6, 0.7, 0.8])
    _, low, high = worth(SIZES, curve, 0.75, curve[:, None] + shift, 0.75 + shift)
    assert (low.count, high.count) == (45, 45)


@pytest.mark.parametrize("seed", range(20))
def test_isotonic_regression_is_that_of_scikit_learn(seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=9)
    assert isotonic(values) == pytest.approx(IsotonicRegression().fit_transform(np.arange(9), values))
