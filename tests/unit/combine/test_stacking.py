import numpy as np
import pytest
from scipy.optimize import approx_fprime, brentq, minimize
from sklearn.linear_model import LogisticRegression

from w2s_trainer.stages.combine.log_odds import of_probabilities
from w2s_trainer.stages.combine.stacking import MOST, Shrinkage, Weights, combine, fit, unfitted


def sources_of(n: int, k: int, seed: int = 0, names: tuple[str, ...] = ("teacher", "strong", "gold")):
    """Sources of unlike worth: each is the truth times a number, and noise."""
    rng = np.random.default_rng(seed)
    y = rng.integers(k, size=n)
    y[:k] = np.arange(k)
    truth = np.eye(k)[y]
    said = {}
    for place, name in enumerate(names):
        logits = (0.4 + place) * truth + rng.normal(size=(n, k))
        p = np.exp(logits)
        said[name] = of_probabilities(p / p.sum(1, keepdims=True))
    return said, y


def penalised(parameters, sources, y, shrinkage):
    """The objective of docs/protocol.md, item by item."""
    scale, bias = parameters[: len(sources)], parameters[len(sources) :]
    total = 0.0
    for i, label in enumerate(y):
        z = sum(a * said[i] for a, said in zip(scale, sources.values(), strict=True)) + bias
        total += np.log(np.exp(z).sum()) - z[label]
    return total + shrinkage.scale / 2 * ((scale - 1) ** 2).sum() + shrinkage.bias / 2 * (bias**2).sum()


@pytest.mark.parametrize("k", [2, 3, 7])
@pytest.mark.parametrize("n", [10, 80])
def test_it_is_the_optimum_that_a_method_without_gradients_finds(n, k):
    sources, y = sources_of(n, k)
    shrinkage = Shrinkage(2.0, 5.0)
    ours = fit(sources, y, shrinkage)
    theirs = minimize(
        penalised, np.zeros(3 + k), (sources, y, shrinkage), "Powell",
        bounds=[(0, MOST)] * 3 + [(-9, 9)] * k, options={"xtol": 1e-9, "ftol": 1e-13, "maxiter": 20_000},
    )  # fmt: skip
    assert [*ours.scale.values(), *ours.bias] == pytest.approx(theirs.x, abs=2e-3)
    at_ours = penalised(np.array([*ours.scale.values(), *ours.bias]), sources, y, shrinkage)
    assert at_ours <= theirs.fun + 1e-9


def test_the_slope_of_the_objective_vanishes_there():
    sources, y = sources_of(60, 3)
    shrinkage = Shrinkage(2.0, 5.0)
    ours = fit(sources, y, shrinkage)
    slope = approx_fprime(
        np.array([*ours.scale.values(), *ours.bias]), penalised, 1e-6, sources, y, shrinkage
    )
    assert slope == pytest.approx(np.zeros(6), abs=1e-3)


def test_two_classes_are_logistic_regression_of_the_log_odds():
    sources, y = sources_of(400, 2, names=("strong", "gold"))
    # Nearly without a penalty; of the sources' log-odds u1 - u0.
    ours = fit(sources, y, Shrinkage(1e-9, 1e-9))
    x = np.stack([said[:, 1] - said[:, 0] for said in sources.values()], axis=1)
    theirs = LogisticRegression(C=1e9, tol=1e-10, max_iter=10_000).fit(x, y)
    assert (theirs.coef_ > 0).all()  # within the bounds
    assert [*ours.scale.values()] == pytest.approx(theirs.coef_[0], abs=1e-3)
    assert ours.bias[1] - ours.bias[0] == pytest.approx(theirs.intercept_[0], abs=1e-3)


def test_one_source_of_two_classes_by_hand():
    # Four texts, log-odds +2 each; it is right of three. With d = a·2 the slope of the sum is
    # 2·(4σ(2a) − 3) + λ(a − 1), and no bias (λ_b so large).
    said = {"teacher": np.tile([-1.0, 1.0], (4, 1))}
    weights = fit(said, np.array([1, 1, 1, 0]), Shrinkage(0.5, 1e9))
    by_hand = brentq(lambda a: 2 * (4 / (1 + np.exp(-2 * a)) - 3) + 0.5 * (a - 1), 0, MOST)
    assert weights.scale["teacher"] == pytest.approx(by_hand, abs=1e-6)


def test_the_bias_by_hand():
    # No source says anything: three labels of class 1, one of class 0. With b = (−t, t): 4σ(2t) − 3 + λt = 0.
    weights = fit({"teacher": np.zeros((4, 2))}, np.array([1, 1, 1, 0]), Shrinkage(1.0, 0.5))
    t = brentq(lambda t: 4 / (1 + np.exp(-2 * t)) - 3 + 0.5 * t, 0, 9)
    assert weights.bias == pytest.approx([-t, t], abs=1e-7)
    assert weights.scale == {"teacher": 1.0}


def test_a_combination_by_hand():
    # Log-odds 2·ln 2 and −ln 2, weights 1 and .5, bias ±ln 2 / 4: 2·(ln 2 − ln 2 / 4 + ln 2 / 4) = ln 4, so .8.
    ln2 = np.log(2)
    sources = {"teacher": np.array([[-ln2, ln2]]), "strong": np.array([[ln2 / 2, -ln2 / 2]])}
    p = combine(sources, Weights({"teacher": 1.0, "strong": 0.5}, np.array([-ln2 / 4, ln2 / 4])))
    assert p == pytest.approx(np.array([[0.2, 0.8]]))


def test_independent_sources_of_weight_one_are_the_rule_of_bayes():
    a, b = np.array([[0.7, 0.2, 0.1]]), np.array([[0.5, 0.1, 0.4]])
    sources = {"teacher": of_probabilities(a), "strong": of_probabilities(b)}
    assert combine(sources, unfitted(("teacher", "strong"), 3)) == pytest.approx(a * b / (a * b).sum())


def test_classes_and_sources_can_be_permuted():
    sources, y = sources_of(50, 4)
    order = np.array([2, 0, 3, 1])  # new class j is the old order[j]
    permuted = {name: said[:, order] for name, said in reversed(sources.items())}
    first, second = fit(sources, y), fit(permuted, np.argsort(order)[y])
    assert second.bias == pytest.approx(first.bias[order], abs=1e-6)
    assert dict(second.scale) == pytest.approx(dict(first.scale), abs=1e-6)
    assert combine(permuted, second) == pytest.approx(combine(sources, first)[:, order], abs=1e-6)


def test_rows_can_be_permuted():
    sources, y = sources_of(50, 3)
    order = np.random.default_rng(3).permutation(50)
    first, second = fit(sources, y), fit({name: said[order] for name, said in sources.items()}, y[order])
    assert dict(second.scale) == pytest.approx(dict(first.scale), abs=1e-6)


@pytest.mark.parametrize("silent", [np.zeros((50, 3)), of_probabilities(np.full((50, 3), 1 / 3))])
def test_a_source_that_says_nothing_has_no_say(silent):
    sources, y = sources_of(50, 3, names=("strong", "gold"))
    without, beside = fit(sources, y), fit(sources | {"teacher": silent}, y)
    assert beside.scale["teacher"] == pytest.approx(1)
    assert [beside.scale["strong"], beside.scale["gold"]] == pytest.approx(
        [*without.scale.values()], abs=1e-6
    )
    assert combine(sources | {"teacher": silent}, beside) == pytest.approx(
        combine(sources, without), abs=1e-6
    )


def test_an_abstaining_teacher_leaves_its_rows_to_the_students():
    sources, y = sources_of(50, 3)
    sources["teacher"][:30] = 0.0
    weights = fit(sources, y)
    assert weights.scale["teacher"] != pytest.approx(1, abs=1e-3)
    students = {name: sources[name][:30] for name in ("strong", "gold")}
    alone = Weights({name: weights.scale[name] for name in students}, weights.bias)
    assert combine({name: said[:30] for name, said in sources.items()}, weights) == pytest.approx(
        combine(students, alone)
    )


def test_the_fewer_the_labels_the_nearer_the_weights_stay():
    sources, y = sources_of(6400, 3)
    far = []
    for n in (4, 16, 64, 256, 6400):
        weights = fit({name: said[:n] for name, said in sources.items()}, y[:n], Shrinkage(30.0, 30.0))
        far.append(sum((a - 1) ** 2 for a in weights.scale.values()) + (weights.bias**2).sum())
    assert far == sorted(far)
    assert far[0] < 0.02
    assert far[-1] > 10 * far[0]


def test_a_source_that_lies_is_silenced_and_not_turned_round():
    sources, y = sources_of(400, 2)
    sources["teacher"] = -sources["gold"]
    assert fit({"teacher": sources["teacher"]}, y).scale["teacher"] == 0


@pytest.mark.parametrize("labels", [[], [1], [1, 1, 1, 1]])
def test_labels_of_fewer_than_two_classes_change_nothing(labels):
    sources, _ = sources_of(20, 3, names=("teacher", "strong"))
    weights = fit(
        {name: said[: len(labels)] for name, said in sources.items()}, np.array(labels, dtype=np.int64)
    )
    assert weights.scale == {"teacher": 1.0, "strong": 1.0}
    assert weights.bias.tolist() == [0, 0, 0]


def test_a_hundred_classes_and_sure_sources_are_finite():
    rng = np.random.default_rng(5)
    y = rng.integers(100, size=150)
    sure = np.eye(100)[np.where(rng.random(150) < 0.5, y, rng.integers(100, size=150))]
    sources = {"teacher": of_probabilities(sure), "strong": of_probabilities(np.eye(100)[y])}
    weights = fit(sources, y)
    p = combine(sources, weights)
    assert np.isfinite([*weights.scale.values(), *weights.bias]).all()
    assert p.sum(axis=1) == pytest.approx(np.ones(150))
    assert weights.scale["strong"] > weights.scale["teacher"]


def test_weights_of_other_sources_are_refused_by_name():
    sources, _ = sources_of(5, 3)
    with pytest.raises(ValueError, match=r"of strong, teacher, and the sources are gold, strong, teacher"):
        combine(sources, unfitted(("teacher", "strong"), 3))


def test_weights_of_another_number_of_classes_are_refused():
    sources, _ = sources_of(5, 3)
    with pytest.raises(ValueError, match="of 4 classes, and the sources have 3"):
        combine(sources, unfitted(tuple(sources), 4))


def test_sources_of_different_texts_are_refused():
    sources, y = sources_of(8, 3)
    with pytest.raises(ValueError, match="same texts and classes"):
        fit(sources | {"teacher": sources["teacher"][:5]}, y)
    with pytest.raises(ValueError, match="of 8 texts, and 5 have a gold label"):
        fit(sources, y[:5])
