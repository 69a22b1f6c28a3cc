import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from w2s_trainer.models.batches import by_tokens
from w2s_trainer.models.head import GRID, Head, centred, cross_validated_l2, fit


def data(n: int, d: int, k: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    y = (x[:, :k] + rng.normal(size=(n, k))).argmax(1)
    return x, y


def unit_rows(x, mean):
    return (x - mean) / np.linalg.norm(x - mean, axis=1, keepdims=True)


@pytest.mark.parametrize(("n", "d", "k"), [(200, 20, 3), (60, 384, 4), (300, 50, 3)])
@pytest.mark.parametrize("l2", [0.3, 1.0, 10.0])
def test_it_is_multinomial_logistic_regression_on_centred_rows_of_unit_length(n, d, k, l2):
    x, y = data(n, d, k)
    x += 3  # far from the origin: uncentred, the rows would be much alike
    weights = np.random.default_rng(1).uniform(0.5, 2, n)
    rows = unit_rows(x, np.average(x, axis=0, weights=weights))
    theirs = LogisticRegression(C=1 / l2, tol=1e-10, max_iter=20_000)
    theirs.fit(rows, y, sample_weight=weights)
    ours = fit(x, np.eye(k)[y], weights, l2)
    assert np.abs(ours.probabilities(x) - theirs.predict_proba(rows)).max() < 1e-4


def test_where_the_origin_lies_does_not_matter():
    x, y = data(80, 10, 3)
    head, moved = (fit(rows, np.eye(3)[y], np.ones(80), 1.0) for rows in (x, x + 5))
    assert moved.probabilities(x[:7] + 5) == pytest.approx(head.probabilities(x[:7]), abs=1e-5)


def test_a_weight_of_two_is_the_row_twice():
    x, y = data(40, 6, 2)
    weights = np.where(np.arange(40) < 25, 2.0, 1.0)
    twice = np.repeat(np.arange(40), weights.astype(int))
    weighted = fit(x, np.eye(2)[y], weights, 0.3)
    repeated = fit(x[twice], np.eye(2)[y[twice]], np.ones(len(twice)), 0.3)
    assert weighted.mean == pytest.approx(repeated.mean)
    assert weighted.probabilities(x) == pytest.approx(repeated.probabilities(x), abs=1e-5)


def test_new_texts_are_centred_on_the_training_rows_and_not_on_their_own():
    x, y = data(80, 10, 2)
    head = fit(x + 2, np.eye(2)[y], np.ones(80), 0.3)
    one_by_one = np.concatenate([head.logits(row[None]) for row in x + 2])
    assert one_by_one == pytest.approx(head.logits(x + 2))
    assert len(np.unique(one_by_one.round(6))) > 80


def test_logits_by_hand_and_probabilities_are_their_softmax():
    head = Head(np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([0.5, -0.5]), np.array([1.0, 1.0]))
    features = np.array([[4.0, 5.0]], dtype=np.float32)  # less the mean 3, 4; of unit length .6, .8
    logits = head.logits(features)
    assert logits.dtype == np.float64
    assert logits[0] == pytest.approx([0.6 + 0.5, 1.6 - 0.5])
    assert head.probabilities(features)[0] == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("n", [1, 2, 50])
def test_from_rows_that_are_all_the_same_only_the_class_frequency_is_learnt(n):
    row = np.random.default_rng(4).normal(size=30).astype(np.float32) * 100 + 7
    weights = np.random.default_rng(5).uniform(0.3, 0.9, n)
    head = fit(np.tile(row, (n, 1)), np.tile([0.25, 0.75], (n, 1)), weights, 0.3)
    others = np.random.default_rng(6).normal(size=(5, 30))
    for asked in (row[None], others, np.zeros((1, 30))):
        assert head.probabilities(asked) == pytest.approx(np.tile([0.25, 0.75], (len(asked), 1)), abs=1e-3)


def test_rows_of_no_weight_teach_nothing():
    x, y = data(10, 4, 2)
    assert fit(x, np.eye(2)[y], np.zeros(10), 1.0).probabilities(x) == pytest.approx(np.full((10, 2), 0.5))


def test_a_row_at_the_mean_stays_there():
    assert centred(np.ones((1, 3), dtype=np.float32), np.ones(3)).tolist() == [[0.0, 0.0, 0.0]]


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


def best_of(grid, x, y, family, centred_on):
    """The strength of least held-out log loss, by scikit-learn on rows less `centred_on(inside)`."""
    order = np.random.default_rng(0).permutation(np.unique(family))
    fold = np.argsort(order)[family] % 5
    losses = dict.fromkeys(grid, 0.0)
    for l2 in grid:
        for out in range(5):
            rows = unit_rows(x, centred_on(fold != out))
            model = LogisticRegression(C=2 / l2, tol=1e-10, max_iter=20_000)
            p = model.fit(rows[fold != out], y[fold != out]).predict_proba(rows[fold == out])
            losses[l2] -= np.log(p[np.arange(len(p)), y[fold == out]]).sum()
    return min(grid, key=losses.__getitem__)


def test_cross_validation_centres_each_fold_on_its_own_training_rows():
    rng = np.random.default_rng(9)
    family = np.repeat(np.arange(10), 4)
    x = rng.normal(size=(40, 5)) + 3 * rng.normal(size=(10, 5))[family]
    y = (x[:, 0] + rng.normal(size=40) > np.median(x[:, 0])).astype(np.int64)
    inside = best_of(GRID, x, y, family, lambda inside: x[inside].mean(0))
    leaking = best_of(GRID, x, y, family, lambda _: x.mean(0))
    assert inside != leaking
    assert cross_validated_l2(x, y, family, seed=0) == inside


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
