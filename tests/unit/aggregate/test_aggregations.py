"""Golden vectors of the aggregations, each with where it comes from."""

import numpy as np
import pytest
from populations import classes_called, labels_of, population

from w2s_api.methods.aggregations import AGGREGATIONS
from w2s_trainer.stages.aggregate import dawid_skene, label_model
from w2s_trainer.stages.aggregate.dawid_skene import estimate, rates_of
from w2s_trainer.stages.aggregate.label_model import fitted, moments, posterior
from w2s_trainer.stages.aggregate.methods import Sources, aggregation_of
from w2s_trainer.stages.tables import WeakLabels


def aggregated(name: str, votes, classes=2, pool=None, **settings):
    method = AGGREGATIONS[name].model_validate(settings)
    votes = np.asarray(votes)
    rows = np.arange(len(votes)) if pool is None else np.asarray(pool)
    return aggregation_of(method)(method, Sources(labels_of(votes, classes), rows, classes_called(classes)))


ANNOTATORS = population(
    (0.6, 0.4),
    [((0.8, 0.1), (0.2, 0.9)), ((0.7, 0.2), (0.3, 0.8)), ((0.9, 0.4), (0.1, 0.6))],
)
RULES = population((0.6, 0.4), [((0, 0), (0.1, 0.5)), ((0, 0), (0.2, 0.6)), ((0.4, 0.1), (0, 0))])
BOTH_WAYS = [((0.6, 0.1), (0.1, 0.5)), ((0.4, 0.2), (0.2, 0.6)), ((0.5, 0.1), (0.2, 0.5))]


def test_majority_vote_by_hand():
    labels = aggregated("MajorityVote", [[0, 0, 1], [1, -1, -1], [0, 1, -1], [-1, -1, -1]]).labels
    # (votes + .25) / (all votes + .25 K), as for rules
    assert labels.targets[0] == pytest.approx([2.25 / 3.5, 1.25 / 3.5])
    assert labels.targets[1] == pytest.approx([0.25 / 1.5, 1.25 / 1.5])
    assert labels.abstain.tolist() == [False, False, True, True]


def test_weighted_average_estimates_nothing():
    outcome = aggregated("WeightedAverage", [[0, 1], [0, 0]])
    assert outcome.accuracies == {}
    assert outcome.labels.targets[1] == pytest.approx([0.8, 0.2])


def test_dawid_skene_finds_the_only_fit():
    """Three annotators and two classes: 7 frequencies, 7 parameters. All frequencies fit, so the truth is the maximum."""
    rates = estimate(ANNOTATORS, ANNOTATORS, 2, 2)
    assert rates.shares == pytest.approx([0.6, 0.4], abs=2e-4)
    truth = [[[0.8, 0.2], [0.1, 0.9]], [[0.7, 0.3], [0.2, 0.8]], [[0.9, 0.1], [0.4, 0.6]]]
    assert rates.confusion == pytest.approx(np.array(truth), abs=2e-4)
    # P(class 0 | 0, 1, 1) = .6 .8 .3 .1 / (.6 .8 .3 .1 + .4 .1 .8 .6)
    assert rates.posterior(np.array([[0, 1, 1]]))[0, 0] == pytest.approx(0.0144 / 0.0336, abs=1e-3)
    # of an annotator who did not answer there is no factor: .6 .8 .3 / (.6 .8 .3 + .4 .1 .8)
    assert rates.posterior(np.array([[0, 1, -1]]))[0, 0] == pytest.approx(0.144 / 0.176, abs=1e-3)


def test_dawid_skene_says_how_often_each_is_right():
    outcome = aggregated("DawidSkene", ANNOTATORS)
    truth = {"a": 0.6 * 0.8 + 0.4 * 0.9, "b": 0.6 * 0.7 + 0.4 * 0.8, "c": 0.6 * 0.9 + 0.4 * 0.6}
    assert outcome.accuracies == pytest.approx(truth, abs=1e-3)
    assert outcome.warnings == ()


def test_dawid_skene_as_crowd_kit_has_it(monkeypatch):
    """crowd-kit 1.4.2, `DawidSkene(n_iter=10000, tol=1e-14)` on the same votes, which stops after 17 rounds.

    The design note of the aggregations has the command. Its shares are those of the round after.
    """
    votes = np.repeat(np.array(PATTERNS), [12, 3, 2, 4, 3, 9, 2, 5, 4, 3, 6, 2], axis=0)
    monkeypatch.setattr(dawid_skene, "TOLERANCE", 0)
    monkeypatch.setattr(dawid_skene, "ROUNDS", 17)
    rates = estimate(votes, votes, 3, 3)
    assert rates.posterior(np.array(PATTERNS)) == pytest.approx(np.array(CROWD_KIT), abs=1e-6)
    assert rates.posterior(votes).mean(axis=0) == pytest.approx(CROWD_KIT_SHARES, abs=1e-6)


def test_one_round_by_hand():
    """Shares of the votes, then frequencies weighted by them (equations 2.3 and 2.4)."""
    votes = np.array([[0, 0], [0, 1], [1, 1], [1, -1]])
    rates = rates_of(votes, np.array([[1, 0], [0.5, 0.5], [0, 1], [0, 1]]), 2)
    assert rates.shares == pytest.approx([1.5 / 4, 2.5 / 4])
    assert rates.confusion[0] == pytest.approx(np.array([[1, 0], [0.5 / 2.5, 2 / 2.5]]))
    assert rates.confusion[1] == pytest.approx(np.array([[1 / 1.5, 0.5 / 1.5], [0, 1]]))


def test_rules_for_one_class_say_something_by_being_silent():
    outcome = aggregated("DawidSkene", RULES, abstentions="Answers")
    spam = (RULES == [1, 1, -1]).all(axis=1)
    # .4 .5 .6 .9 / (.4 .5 .6 .9 + .6 .1 .2 .6)
    assert outcome.labels.targets[spam][0, 1] == pytest.approx(0.108 / 0.1152, abs=2e-3)
    assert outcome.warnings == ()
    missing = aggregated("DawidSkene", RULES)
    assert "a, b, c vote for one class only" in missing.warnings[0]


@pytest.mark.parametrize(
    "rates", [BOTH_WAYS, [((0, 0), (0.1, 0.5)), ((0, 0), (0.2, 0.6)), ((0.4, 0.1), (0, 0))]]
)
def test_the_label_model_finds_the_only_fit(rates):
    """Its moments are those of the truth, so the loss is 0 there, and three labelers are enough for that to be unique."""
    votes = population((0.6, 0.4), rates)
    assert fitted(votes, np.array([0.6, 0.4]), pull=0) == pytest.approx(
        np.array(rates, dtype=float), abs=1e-4
    )


def test_moments_by_hand():
    seen = moments(np.array([[0, 1], [0, -1], [1, 1], [1, 0]]), 2)
    assert np.diag(seen).tolist() == [0.5, 0.5, 0.25, 0.5]
    assert seen[:2, 2:].tolist() == [[0, 0.25], [0.25, 0.25]]


def test_the_label_model_leaves_abstentions_out():
    rates = np.array(BOTH_WAYS)
    found = posterior(np.array([[0, -1, 1], [-1, -1, -1]]), rates, np.array([0.6, 0.4]))
    assert found[0, 0] == pytest.approx(0.6 * 0.6 * 0.2 / (0.6 * 0.6 * 0.2 + 0.4 * 0.1 * 0.5))
    assert found[1] == pytest.approx([0.6, 0.4])


def test_the_label_model_stays_near_its_beginning_where_texts_are_few():
    """At the beginning each labeler is right 7 times in 10 and votes as often as it does."""
    votes = population((0.5, 0.5), [((0.4, 0.1), (0.1, 0.4))] * 3)
    shares = np.array([0.5, 0.5])
    assert fitted(votes, shares, pull=0)[0, 0] == pytest.approx([0.4, 0.1], abs=1e-3)
    assert fitted(votes, shares, pull=1e9)[0, 0] == pytest.approx([0.5 * 0.7, 0.5 * 0.3], abs=1e-3)
    few, many = fitted(votes[::100], shares, pull=256)[0, 0, 0], fitted(votes, shares, pull=256)[0, 0, 0]
    assert 0.35 < few < many < 0.4


def test_the_label_model_takes_class_shares(monkeypatch):
    monkeypatch.setattr(label_model, "PULL", 0.0)
    shares = [{"className": "class-0", "share": "6"}, {"className": "class-1", "share": "4"}]
    votes = population((0.6, 0.4), BOTH_WAYS)
    outcome = aggregated("LabelModel", votes, classShares=shares)
    where = (votes == [0, -1, 1]).all(axis=1)
    assert outcome.labels.targets[where][0, 0] == pytest.approx(0.072 / 0.092, abs=1e-3)
    # right where it votes: (.6 .6 + .4 .5) / (.6 .7 + .4 .6), of the first
    assert outcome.accuracies["a"] == pytest.approx(0.56 / 0.66, abs=2e-3)


@pytest.mark.parametrize("name", ["DawidSkene", "LabelModel"])
def test_what_is_outside_of_the_pool_is_labelled_and_teaches_nothing(name):
    odd = np.tile([[1, 0, 0]], (5_000, 1))
    alone = aggregated(name, ANNOTATORS)
    more = aggregated(name, np.concatenate([ANNOTATORS, odd]), pool=np.arange(len(ANNOTATORS)))
    assert more.labels.targets[: len(ANNOTATORS)] == pytest.approx(alone.labels.targets)
    assert len(more.labels.abstain) == len(ANNOTATORS) + len(odd)
    assert more.accuracies == pytest.approx(alone.accuracies)


@pytest.mark.parametrize("name", ["MajorityVote", "DawidSkene", "LabelModel"])
def test_who_is_silent_everywhere_and_texts_without_a_vote(name):
    votes = np.concatenate([ANNOTATORS[::50], np.full((3, 3), -1)])
    votes = np.concatenate([votes, np.full((len(votes), 1), -1)], axis=1)
    labels = aggregated(name, votes).labels
    assert labels.abstain[-3:].all()
    assert np.isfinite(labels.targets).all()
    assert labels.targets.sum(axis=1) == pytest.approx(np.ones(len(votes)))


@pytest.mark.parametrize("name", ["MajorityVote", "DawidSkene", "LabelModel"])
def test_a_pool_that_nobody_votes_on_is_all_silent(name):
    assert aggregated(name, np.full((5, 3), -1)).labels.abstain.all()


@pytest.mark.parametrize(("name", "sure"), [("DawidSkene", 0.8), ("LabelModel", 0.5)])
def test_a_good_labeler_outvotes_two_bad_ones(name, sure):
    """What the majority cannot do: in the truth a is right 19 times in 20, b and c a little oftener than not."""
    votes = population((0.5, 0.5), [((0.95, 0.05), (0.05, 0.95)), *[((0.6, 0.4), (0.4, 0.6))] * 2])
    outcome = aggregated(name, votes)
    against = (votes == [0, 1, 1]).all(axis=1)
    assert outcome.labels.targets[against][0, 0] > sure
    assert aggregated("MajorityVote", votes).labels.targets[against][0, 0] < 0.5
    assert outcome.accuracies["a"] == max(outcome.accuracies.values())


def test_labels_of_one_labeler_are_as_they_are():
    labels = aggregated("MajorityVote", [[1], [-1]]).labels
    assert isinstance(labels, WeakLabels)
    assert labels.abstain.tolist() == [False, True]


PATTERNS = [
    [0, 0, 1], [0, 0, 0], [1, 1, 1], [1, 0, 1], [0, -1, 1], [2, 2, 2],
    [2, 1, 2], [2, 2, -1], [1, 1, 0], [0, 2, 0], [-1, 1, 1], [2, 0, 1],
]  # fmt: skip
CROWD_KIT_SHARES = [0.420506, 0.290678, 0.288816]
CROWD_KIT = [
    [0.999941, 5.9e-05, 0.0], [0.999944, 5.6e-05, 0.0], [0.0, 1.0, 0.0], [0.003545, 0.996455, 0.0],
    [0.9998, 0.0002, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0], [0.023028, 0.0, 0.976972],
    [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [1.2e-05, 0.999988, 0.0], [0.999962, 3.8e-05, 0.0],
]  # fmt: skip
