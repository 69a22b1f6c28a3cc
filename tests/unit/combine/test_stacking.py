from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import approx_fprime, brentq, minimize
from sklearn.linear_model import LogisticRegression

from w2s_trainer.stages.combine.log_odds import (
    Source,
    from_logits,
    from_probabilities,
    log_shares,
    mean_answer,
)
from w2s_trainer.stages.combine.stacking import MOST, Shrinkage, Weights, combine, fit, prior, unfitted


def plain(sources, k: int) -> Weights:
    """Weights that take sources as they are: no mean answers, no prior."""
    return unfitted(dict.fromkeys(sources, np.zeros(k)), np.zeros(k))


def relative(sources, shares) -> Weights:
    return unfitted({name: mean_answer(source) for name, source in sources.items()}, log_shares(shares))


def sources_of(n: int, k: int, seed: int = 0, names: tuple[str, ...] = ("teacher", "strong", "gold")):
    """Sources of unlike worth: each is the truth times a number, and noise; the first abstains on a quarter."""
    rng = np.random.default_rng(seed)
    y = rng.integers(k, size=n)
    y[:k] = np.arange(k)
    said = {
        name: from_logits((0.4 + i) * np.eye(k)[y] + rng.normal(size=(n, k))) for i, name in enumerate(names)
    }
    said[names[0]].abstain[n - n // 4 :] = True
    return said, y


def penalised(parameters, sources, y, start, shrinkage):
    """The objective of docs/protocol.md, item by item."""
    scale, bias = parameters[: len(sources)], parameters[len(sources) :]
    total = 0.0
    for i, label in enumerate(y):
        z = start.prior + bias
        for a, (name, source) in zip(scale, sources.items(), strict=True):
            if not source.abstain[i]:
                z = z + a * (source.log_odds[i] - start.mean_answer[name])
        total += np.log(np.exp(z).sum()) - z[label]
    centre = np.array([*start.scale.values()])
    return total + shrinkage.scale / 2 * ((scale - centre) ** 2).sum() + shrinkage.bias / 2 * (bias**2).sum()


def numbers(weights: Weights) -> np.ndarray:
    return np.array([*weights.scale.values(), *weights.bias])


@pytest.mark.parametrize(("n", "k", "raised"), [(10, 2, 1.0), (60, 3, 1.0), (20, 5, 1.0), (20, 3, 2.5)])
def test_it_is_the_optimum_that_a_method_without_gradients_finds(n, k, raised):
    sources, y = sources_of(n, k)
    shrinkage, start = Shrinkage(2.0, 5.0), relative(sources, np.arange(1, k + 1))
    start = replace(start, scale={**start.scale, next(iter(sources)): raised})
    ours = numbers(fit(sources, y, start, shrinkage))
    theirs = minimize(
        penalised, np.zeros(3 + k), (sources, y, start, shrinkage), "Powell",
        bounds=[(0, MOST)] * 3 + [(-9, 9)] * k, options={"xtol": 1e-9, "ftol": 1e-13, "maxiter": 20_000},
    )  # fmt: skip
    assert ours == pytest.approx(theirs.x, abs=2e-3)
    assert penalised(ours, sources, y, start, shrinkage) <= theirs.fun + 1e-9


def test_the_slope_of_the_objective_vanishes_there():
    sources, y = sources_of(60, 3)
    shrinkage, start = Shrinkage(2.0, 5.0), relative(sources, np.array([0.2, 0.3, 0.5]))
    ours = numbers(fit(sources, y, start, shrinkage))
    slope = approx_fprime(ours, penalised, 1e-6, sources, y, start, shrinkage)
    assert slope == pytest.approx(np.zeros(6), abs=1e-3)


def test_two_classes_are_logistic_regression_of_the_log_odds():
    sources, y = sources_of(400, 2, names=("strong", "gold"))
    # Nearly without a penalty; of the sources' log-odds u1 - u0, 0 where one abstains.
    ours = fit(sources, y, plain(sources, 2), Shrinkage(1e-9, 1e-9))
    x = np.stack(
        [np.where(s.abstain, 0, s.log_odds[:, 1] - s.log_odds[:, 0]) for s in sources.values()], axis=1
    )
    theirs = LogisticRegression(C=1e9, tol=1e-10, max_iter=10_000).fit(x, y)
    assert (theirs.coef_ > 0).all()  # within the bounds
    assert [*ours.scale.values()] == pytest.approx(theirs.coef_[0], abs=1e-3)
    assert ours.bias[1] - ours.bias[0] == pytest.approx(theirs.intercept_[0], abs=1e-3)


def test_one_source_of_two_classes_by_hand():
    # Four texts, log-odds +2 each; it is right of three. The slope of the sum is 2·(4σ(2a) − 3) + λ(a − 1), and the
    # bias is held at 0 by its λ.
    said = {"teacher": from_logits(np.tile([-1.0, 1.0], (4, 1)))}
    weights = fit(said, np.array([1, 1, 1, 0]), plain(said, 2), Shrinkage(0.5, 1e9))
    by_hand = brentq(lambda a: 2 * (4 / (1 + np.exp(-2 * a)) - 3) + 0.5 * (a - 1), 0, MOST)
    assert weights.scale["teacher"] == pytest.approx(by_hand, abs=1e-6)


def test_the_bias_by_hand():
    # No source says anything: three labels of class 1, one of class 0. With b = (−t, t): 4σ(2t) − 3 + λt = 0.
    said = {"teacher": from_logits(np.zeros((4, 2)))}
    weights = fit(said, np.array([1, 1, 1, 0]), plain(said, 2), Shrinkage(1.0, 0.5))
    t = brentq(lambda t: 4 / (1 + np.exp(-2 * t)) - 3 + 0.5 * t, 0, 9)
    assert weights.bias == pytest.approx([-t, t], abs=1e-7)
    assert weights.scale == {"teacher": 1.0}


def test_a_combination_by_hand():
    # For class 1: 1·(1 − 0) + .5·(.5 − 1) + .25 of the prior + .5 of the bias = 1.5 times ln 2, for class 0 the
    # contrary: 8 to 1.
    ln2 = np.log(2)
    half = np.array([-ln2, ln2])
    sources = {"teacher": from_logits(half[None]), "strong": from_logits(half[None] / 2)}
    means = {"teacher": np.zeros(2), "strong": half}
    p = combine(sources, Weights({"teacher": 1.0, "strong": 0.5}, means, half / 4, half / 2))
    assert p == pytest.approx(np.array([[1 / 9, 8 / 9]]))
    # Where the teacher abstains .5 ln 2 is left: 2 to 1.
    sources["teacher"].abstain[:] = True
    p = combine(sources, Weights({"teacher": 1.0, "strong": 0.5}, means, half / 4, half / 2))
    assert p == pytest.approx(np.array([[1 / 3, 2 / 3]]))


def test_independent_sources_of_weight_one_are_the_rule_of_bayes():
    # Posteriors of two independent signals of a class with shares .5, .3, .2: p ∝ a·b / shares.
    shares = np.array([0.5, 0.3, 0.2])
    of_a, of_b = np.array([[0.7, 0.2, 0.4], [0.3, 0.8, 0.6]]), np.array([[0.1, 0.6, 0.5], [0.9, 0.4, 0.5]])
    a, b = (like * shares / (like * shares).sum(axis=1, keepdims=True) for like in (of_a, of_b))
    sources = {"teacher": from_probabilities(a), "strong": from_probabilities(b)}
    means = dict.fromkeys(sources, log_shares(shares))
    p = combine(
        {name: s.at(np.array([0])) for name, s in sources.items()}, unfitted(means, log_shares(shares))
    )
    both = of_a[0] * of_b[0] * shares
    assert p[0] == pytest.approx(both / both.sum())


def test_a_source_that_always_says_the_same_says_nothing():
    sources, y = sources_of(50, 3, names=("strong", "gold"))
    constant = from_probabilities(np.tile([0.8, 0.15, 0.05], (50, 1)))
    shares = np.array([0.2, 0.3, 0.5])
    without = fit(sources, y, relative(sources, shares))
    wider = sources | {"teacher": constant}
    beside = fit(wider, y, relative(wider, shares))
    assert beside.scale["teacher"] == pytest.approx(1)
    assert combine(wider, beside) == pytest.approx(combine(sources, without), abs=1e-6)


def test_classes_and_sources_can_be_permuted():
    sources, y = sources_of(50, 4)
    order, shares = np.array([2, 0, 3, 1]), np.array([0.1, 0.2, 0.3, 0.4])  # new class j is the old order[j]
    permuted = {name: Source(s.log_odds[:, order], s.abstain) for name, s in reversed(sources.items())}
    first = fit(sources, y, relative(sources, shares))
    second = fit(permuted, np.argsort(order)[y], relative(permuted, shares[order]))
    assert second.bias == pytest.approx(first.bias[order], abs=1e-6)
    assert dict(second.scale) == pytest.approx(dict(first.scale), abs=1e-6)
    assert combine(permuted, second) == pytest.approx(combine(sources, first)[:, order], abs=1e-6)


def test_rows_can_be_permuted():
    sources, y = sources_of(50, 3)
    order = np.random.default_rng(3).permutation(50)
    start = relative(sources, np.ones(3))
    first, second = (
        fit(sources, y, start),
        fit({name: s.at(order) for name, s in sources.items()}, y[order], start),
    )
    assert numbers(second) == pytest.approx(numbers(first), abs=1e-6)


@pytest.mark.parametrize(
    "silent",
    [
        Source(np.random.default_rng(0).normal(size=(50, 3)), np.ones(50, dtype=bool)),
        from_probabilities(np.full((50, 3), 1 / 3)),
    ],
    ids=["always abstains", "always uniform"],
)
def test_a_source_that_says_nothing_has_no_say(silent):
    sources, y = sources_of(50, 3, names=("strong", "gold"))
    wider = sources | {"teacher": silent}
    without, beside = (
        fit(sources, y, relative(sources, np.ones(3))),
        fit(wider, y, relative(wider, np.ones(3))),
    )
    assert beside.scale["teacher"] == pytest.approx(1)
    assert [beside.scale["strong"], beside.scale["gold"]] == pytest.approx(
        [*without.scale.values()], abs=1e-6
    )
    assert combine(wider, beside) == pytest.approx(combine(sources, without), abs=1e-6)


def test_what_an_abstaining_teacher_would_have_said_does_not_matter():
    sources, y = sources_of(50, 3)
    other = dict(sources)
    said = sources["teacher"].log_odds.copy()
    said[sources["teacher"].abstain] = [9.0, 0.0, -9.0]
    other["teacher"] = Source(said, sources["teacher"].abstain)
    assert sources["teacher"].abstain.sum() == 12
    first, second = (fit(s, y, relative(s, np.ones(3))) for s in (sources, other))
    assert numbers(second).tolist() == numbers(first).tolist()
    assert combine(other, second).tolist() == combine(sources, first).tolist()


def test_the_fewer_the_labels_the_nearer_the_weights_stay():
    sources, y = sources_of(6400, 3)
    far = []
    for n in (4, 16, 64, 256, 6400):
        mine = {name: s.at(np.arange(n)) for name, s in sources.items()}
        weights = fit(mine, y[:n], plain(sources, 3), Shrinkage(30.0, 30.0))
        far.append(sum((a - 1) ** 2 for a in weights.scale.values()) + (weights.bias**2).sum())
    assert far == sorted(far)
    assert far[0] < 0.02
    assert far[-1] > 10 * far[0]


def test_a_source_that_lies_is_silenced_and_not_turned_round():
    sources, y = sources_of(400, 2, names=("other", "gold"))
    liar = {"teacher": from_logits(-sources["gold"].log_odds)}
    assert fit(liar, y, plain(liar, 2)).scale["teacher"] == 0


@pytest.mark.parametrize("labels", [[], [1], [1, 1, 1, 1]])
def test_labels_of_fewer_than_two_classes_change_nothing(labels):
    sources, _ = sources_of(20, 3, names=("teacher", "strong"))
    start = relative(sources, np.ones(3))
    mine = {name: s.at(np.arange(len(labels))) for name, s in sources.items()}
    weights = fit(mine, np.array(labels, dtype=np.int64), start)
    assert weights.scale == {"teacher": 1.0, "strong": 1.0}
    assert weights.bias.tolist() == [0, 0, 0]
    assert weights.prior is start.prior


def test_a_hundred_classes_and_sure_sources_are_finite():
    rng = np.random.default_rng(5)
    y = rng.integers(100, size=150)
    sure = np.eye(100)[np.where(rng.random(150) < 0.5, y, rng.integers(100, size=150))]
    sources = {"teacher": from_probabilities(sure), "strong": from_probabilities(np.eye(100)[y])}
    weights = fit(sources, y, relative(sources, np.ones(100)))
    p = combine(sources, weights)
    assert np.isfinite(numbers(weights)).all()
    assert p.sum(axis=1) == pytest.approx(np.ones(150))
    assert weights.scale["strong"] > weights.scale["teacher"]


def test_the_prior_by_hand():
    # 16 labels' worth of .75, .25 is 12 and 4; three labels beside: 13 and 6.
    shares = np.array([0.75, 0.25])
    assert prior(shares) == pytest.approx([np.log(3) / 2, -np.log(3) / 2])
    assert prior(shares, np.array([0, 1, 1])) == pytest.approx(log_shares(np.array([13, 6])))


def test_a_class_that_the_teacher_never_names_keeps_a_prior():
    assert np.isfinite(prior(np.array([1.0, 0.0]))).all()


def test_labels_of_one_class_do_not_move_the_prior():
    assert prior(np.array([0.75, 0.25]), np.array([1, 1])).tolist() == prior(np.array([0.75, 0.25])).tolist()


def test_weights_of_other_sources_are_refused_by_name():
    sources, y = sources_of(5, 3)
    old = plain({"teacher": 0, "strong": 0}, 3)
    with pytest.raises(ValueError, match=r"of strong, teacher, and the sources are gold, strong, teacher"):
        combine(sources, old)
    with pytest.raises(ValueError, match="fit the combination again"):
        fit(sources, y, old)


def test_weights_of_another_number_of_classes_are_refused():
    sources, _ = sources_of(5, 3)
    with pytest.raises(ValueError, match="of 4 classes, and the sources have 3"):
        combine(sources, plain(sources, 4))


def test_sources_of_different_texts_are_refused():
    sources, y = sources_of(8, 3)
    shorter = sources | {"teacher": sources["teacher"].at(np.arange(5))}
    with pytest.raises(ValueError, match="same texts and classes"):
        fit(shorter, y, plain(sources, 3))
    with pytest.raises(ValueError, match="of 8 texts, and 5 have a gold label"):
        fit(sources, y[:5], plain(sources, 3))
