"""Newton's method for the weights, against `stacking.fit` and by hand."""

from dataclasses import replace

import numpy as np
import pytest
from combination_newton import quick_fit
from scipy.optimize import brentq

from w2s_trainer.stages.combine.log_odds import from_logits
from w2s_trainer.stages.combine.stacking import MOST, Shrinkage, fit, unfitted


def sources_of(n: int, k: int, worth: float):
    rng = np.random.default_rng(0)
    y = np.arange(n) % k
    said = {name: from_logits(worth * np.eye(k)[y] + rng.normal(size=(n, k))) for name in ("teacher", "gold")}
    said["teacher"].abstain[: n // 4] = True
    return said, y


@pytest.mark.parametrize(("n", "k", "worth"), [(16, 3, 1.0), (64, 5, 1.0), (64, 2, -1.0), (200, 2, 9.0)])
def test_it_finds_what_fit_finds_at_the_bounds_too(n, k, worth):
    said, y = sources_of(n, k, worth)
    start = unfitted(dict.fromkeys(said, np.zeros(k)), np.linspace(-0.5, 0.5, k))
    for shrinkage in (Shrinkage(0.1, 1.0), Shrinkage()):
        ours, theirs = quick_fit(said, y, start, shrinkage), fit(said, y, start, shrinkage)
        assert dict(ours.scale) == pytest.approx(dict(theirs.scale), abs=1e-4)
        assert ours.bias == pytest.approx(theirs.bias, abs=1e-4)


def test_weights_are_shrunk_to_those_of_the_start_by_hand():
    # Four texts, log-odds +2 each; it is right of three. The slope of the sum is 2·(4σ(2a) − 3) + λ(a − 2.5).
    said = {"teacher": from_logits(np.tile([-1.0, 1.0], (4, 1)))}
    start = replace(unfitted({"teacher": np.zeros(2)}, np.zeros(2)), scale={"teacher": 2.5})
    weights = quick_fit(said, np.array([1, 1, 1, 0]), start, Shrinkage(0.5, 1e9))
    by_hand = brentq(lambda a: 2 * (4 / (1 + np.exp(-2 * a)) - 3) + 0.5 * (a - 2.5), 0, MOST)
    assert weights.scale["teacher"] == pytest.approx(by_hand, abs=1e-6)
