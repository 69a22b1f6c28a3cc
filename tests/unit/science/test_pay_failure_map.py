"""The failure map: predictors, choice, and what it is worth on other tasks."""

import numpy as np
import pytest
from does_it_pay.failure_map import Jobs, candidates, choose, fit, held_out_loss, hits
from does_it_pay.predictors import PREDICTORS, predictors_of
from sklearn.linear_model import LogisticRegression

KNOWN = {
    "budget": 64, "classes": 2, "pool": 600, "coverage": 0.5, "confidence": 0.8, "shares": [0.25, 0.75], "agreement": None,
    "bySeed": [{"drawn": [32, 32], "said": [[14, 2], [3, 11]]}, {"drawn": [48, 16], "said": [[14, 2], [3, 11]]}],
}  # fmt: skip


def jobs(rng: np.random.Generator, tasks: int, each: int = 8, noise: float = 0.3) -> Jobs:
    x = rng.normal(size=(tasks * each, len(PREDICTORS)))
    pays = x[:, 3] + noise * rng.normal(size=len(x)) > 0
    return Jobs(x, pays, np.repeat([f"task-{n}" for n in range(tasks)], each))


def test_predictors_are_what_the_protocol_says():
    found = predictors_of(KNOWN, saw_budget=False)
    accuracy = 26 / 32
    assert found["budget"] == 6
    assert found["labels a class"] == 5
    assert found["skill"] == pytest.approx(((accuracy - 0.5) / 0.5 + (accuracy - 0.75) / 0.25) / 2)
    assert found["doubt"] == pytest.approx((accuracy * (1 - accuracy) / 32) ** 0.5)
    assert found["shares"] == pytest.approx(0.375)  # the budget's are .625 and .375
    assert np.isnan(found["agreement"])
    assert tuple(found) == PREDICTORS


def test_a_teacher_that_saw_the_budget_says_nothing_of_its_skill():
    found = predictors_of(KNOWN, saw_budget=True)
    assert np.isnan(found["skill"])
    assert np.isnan(found["doubt"])


def test_the_fit_is_that_of_scikit_learn():
    data = jobs(np.random.default_rng(1), tasks=6)
    names = (PREDICTORS[3], PREDICTORS[5])
    found = fit(data, names)
    z = (data.x[:, [3, 5]] - found.mean) / found.scale
    reference = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000).fit(z, data.pays)
    assert found.probability(data.x) == pytest.approx(reference.predict_proba(z)[:, 1], abs=1e-4)


def test_what_is_unknown_counts_as_the_mean():
    data = jobs(np.random.default_rng(2), tasks=6)
    found = fit(data, (PREDICTORS[3],))
    unknown, mean = np.full((1, len(PREDICTORS)), np.nan), np.full((1, len(PREDICTORS)), float(found.mean[0]))
    assert found.probability(unknown) == pytest.approx(found.probability(mean))


def test_the_predictor_that_decides_is_chosen_and_hits_on_other_tasks():
    rng = np.random.default_rng(3)
    here, there = jobs(rng, tasks=7), jobs(rng, tasks=7)
    found, losses = choose(here)
    assert PREDICTORS[3] in found.predictors
    assert losses[()] > losses[(PREDICTORS[3],)]
    measured = hits(found, here, there, np.random.default_rng(0))
    assert measured.rate > 0.8 > measured.constant
    assert measured.low <= measured.rate <= measured.high
    assert measured.supported


def test_without_anything_to_learn_the_constant_answer_is_not_beaten():
    rng = np.random.default_rng(4)
    here, there = jobs(rng, tasks=7), jobs(rng, tasks=7)
    blind = Jobs(here.x, rng.random(len(here.pays)) < 0.3, here.task)
    other = Jobs(there.x, rng.random(len(there.pays)) < 0.3, there.task)
    found, _ = choose(blind)
    assert not hits(found, blind, other, np.random.default_rng(0)).supported


def test_a_task_is_held_out_whole():
    x = np.zeros((4, len(PREDICTORS)))
    x[:, 0] = (0, 0, 1, 1)
    data = Jobs(x, np.array([False, False, True, True]), np.array(["a", "a", "b", "b"]))
    assert held_out_loss(data, ()) > np.log(
        2
    )  # each task is foretold from the other, which came out otherwise


def test_where_all_jobs_come_out_alike_the_map_is_constant_and_finite():
    x = np.random.default_rng(5).normal(size=(5, len(PREDICTORS)))
    found = fit(Jobs(x, np.ones(5, dtype=bool), np.array(list("abcde"))), (PREDICTORS[0],))
    assert found.probability(x) == pytest.approx(np.full(5, 5.5 / 6))


def test_candidates_go_from_few_predictors_to_all():
    sizes = [len(one) for one in candidates()]
    assert sizes == sorted(sizes)
    assert sizes[0] == 0
    assert candidates()[-1] == PREDICTORS
