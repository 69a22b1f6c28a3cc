import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from w2s_trainer.models.batches import by_tokens
from w2s_trainer.models.head import cross_validated_l2, fit, normalise


def data(n: int, d: int, k: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    y = (x[:, :k] + rng.normal(size=(n, k))).argmax(1)
    return x, y


@pytest.mark.parametrize(("n", "d", "k"), [(200, 20, 3), (60, 384, 4), (300, 50, 3)])
@pytest.mark.parametrize("l2", [0.3, 1.0, 10.0])
def test_it_is_multinomial_logistic_regression(n, d, k, l2):
    x, y = data(n, d, k)
    weights = np.random.default_rng(1).uniform(0.5, 2, n)
    theirs = LogisticRegression(C=1 / l2, tol=1e-10, max_iter=20_000)
    theirs.fit(normalise(x), y, sample_weight=weights)
    ours = fit(x, np.eye(k)[y], weights, l2)
    assert np.abs(ours.probabilities(x) - theirs.predict_proba(normalise(x))).max() < 1e-4


def test_soft_targets_are_a_row_of_each_class_by_weight():
    x, _ = data(80, 10, 2)
    q = np.random.default_rng(2).dirichlet([1, 1], 80)
    soft = fit(x, q, np.ones(80), 1.0)
    doubled = fit(
        np.concatenate([x, x]), np.repeat(np.eye(2), 80, axis=0), np.concatenate([q[:, 0], q[:, 1]]), 1.0
    )
    assert np.abs(soft.probabilities(x) - doubled.probabilities(x)).max() < 1e-4


def test_more_regularisation_imitates_less():
    x, y = data(100, 50, 2)
    fits = [
        (fit(x, np.eye(2)[y], np.ones(100), l2).probabilities(x).argmax(1) == y).mean()
        for l2 in (0.01, 100.0)
    ]
    assert fits[0] > fits[1]


def test_cross_validation_holds_out_whole_families():
    # Each family is one noisy label repeated: rows held out one by one would find their twins, and prefer no
    # regularisation at all.
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(20, 100))
    x = np.repeat(centres, 6, axis=0) + 0.01 * rng.normal(size=(120, 100))
    y = np.repeat(rng.integers(0, 2, 20), 6)
    by_family = cross_validated_l2(x, y, np.repeat(np.arange(20), 6), seed=0)
    by_row = cross_validated_l2(x, y, np.arange(120), seed=0)
    assert by_family > by_row


def test_cross_validation_of_one_family_takes_the_middle():
    x, y = data(10, 5, 2)
    assert cross_validated_l2(x, y, np.zeros(10, dtype=np.int64), seed=0, grid=(0.1, 1.0, 10.0)) == 1.0


@pytest.mark.parametrize("tokens", [1, 10, 64, 10_000])
def test_batches_hold_every_text_once_and_stay_in_bounds(tokens):
    lengths = np.random.default_rng(0).integers(1, 40, 200).tolist()
    batches = list(by_tokens(lengths, tokens))
    assert sorted(np.concatenate(batches).tolist()) == list(range(200))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= tokens
