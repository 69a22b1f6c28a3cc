"""CROWDLAB against cleanlab's own figures, against the paper's formulas by hand, and what it may not look at."""

import numpy as np
import pytest
from populations import classes_called, labels_of

from w2s_api.methods.aggregations import CrowdLab, MajorityVote
from w2s_trainer.errors import BadData
from w2s_trainer.stages.aggregate.crowd_lab import Ensemble, out_of_fold
from w2s_trainer.stages.aggregate.methods import Sources, Texts, aggregation_of

L2 = 0.3


def texts_of(features, families=None) -> Texts:
    features = np.asarray(features, dtype=np.float64)
    families = np.arange(len(features)) if families is None else np.asarray(families)
    return Texts(lambda: features, families, L2)


def aggregated(votes, texts: Texts, classes=2, pool=None, settings=None):
    votes, settings = np.asarray(votes), settings or CrowdLab()
    rows = np.arange(len(votes)) if pool is None else np.asarray(pool)
    sources = Sources(labels_of(votes, classes), rows, classes_called(classes), texts)
    return aggregation_of(settings)(settings, sources)


def two_sides(n: int, seed: int = 0):
    """Texts whose class their features tell, and three annotators who are right 7 times in 10 and asked 6 times in 10."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    features = rng.normal(size=(n, 5)) + 2.0 * y[:, None]
    votes = np.where(rng.random((n, 3)) < 0.7, y[:, None], 1 - y[:, None])
    return y, features, np.where(rng.random((n, 3)) < 0.6, votes, -1)


def test_it_is_what_cleanlab_has():
    """cleanlab 2.9.0, `get_label_quality_multiannotator(votes, said, return_weights=True)` and `_get_post_pred_probs_and_weights`
    on these votes, NaN where there is none; the design note has the command."""
    ensemble = Ensemble(np.array(VOTES), np.array(SAID))
    assert ensemble.consensus.tolist() == [0, 0, 1, 1, 0, 2, 2, 2, 1, 0, 1, 1, 2, 0]
    assert ensemble.classifier == pytest.approx(1.6903085094570331)
    assert ensemble.labelers == pytest.approx([0.415, 0.155, 0.29347826, 0.40909091])
    assert ensemble.quality() == pytest.approx([0.738532, 0.577739, 0.616613, 0.786642], abs=1e-6)
    assert ensemble.posterior(np.array(VOTES), np.array(SAID)) == pytest.approx(np.array(POSTERIOR), abs=1e-6)


def test_the_weights_by_hand():
    votes = np.array([[0, 0], [0, 1], [1, 1], [0, 0], [1, -1]])
    said = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4], [0.2, 0.8]])
    ensemble = Ensemble(votes, said)
    # the tie of the second goes to the likelier class; 3 of the 4 with two votes are of the commonest class
    assert ensemble.consensus.tolist() == [0, 0, 1, 0, 1]
    assert ensemble.right == pytest.approx((1 + 0.5 + 1 + 1) / 4)
    # both agree in 3 of 4: 1 − (1/4) / (1/4) is 0, which hardly counts; so does a classifier that says 0 of all four
    assert ensemble.labelers == pytest.approx([1e-6, 1e-6])
    assert ensemble.classifier == pytest.approx(1e-6 * np.sqrt(9 / 5))


def test_a_vote_of_nobody_counts_nothing():
    ensemble = Ensemble(np.array(VOTES), np.array(SAID))
    said = np.array([[0.2, 0.3, 0.5]])
    assert ensemble.posterior(np.array([[-1] * 4]), said) == pytest.approx(said)
    only = ensemble.posterior(np.array([[0, -1, -1, -1]]), said)[0]
    m, w, p = ensemble.classifier, ensemble.labelers[0], ensemble.right
    assert only == pytest.approx((m * said[0] + w * np.array([p, (1 - p) / 2, (1 - p) / 2])) / (m + w))


def test_who_never_votes_beside_another_has_the_mean_of_those_who_do():
    votes = np.array([[0, 0, -1], [1, 1, -1], [0, 1, -1], [-1, -1, 1]])
    ensemble = Ensemble(votes, np.full((4, 2), 0.5))
    assert ensemble.labelers[2] == pytest.approx(ensemble.labelers[:2].mean())
    assert np.isfinite(ensemble.quality()).all()


def test_the_classifier_hears_no_vote_of_a_text_s_own_family():
    _, features, votes = two_sides(60)
    families = np.arange(60) // 2
    texts, pool = texts_of(features, families), np.arange(60)
    before = out_of_fold(texts, votes, pool, 2, 5)
    other = votes.copy()
    other[families == 7] = 1 - np.maximum(other[families == 7], 0)
    after = out_of_fold(texts, other, pool, 2, 5)
    assert after[families == 7] == pytest.approx(before[families == 7], abs=1e-9)
    assert np.abs(after - before).max() > 1e-3  # others heard of it


def test_what_is_outside_of_the_pool_is_labelled_and_teaches_nothing():
    _, features, votes = two_sides(80)
    pool = np.arange(60)
    whole = aggregated(votes, texts_of(features), pool=pool)
    changed = votes.copy()
    changed[60:] = np.where(votes[60:] >= 0, 1 - votes[60:], -1)
    other = aggregated(changed, texts_of(features), pool=pool)
    assert other.labels.targets[:60] == pytest.approx(whole.labels.targets[:60])
    assert other.accuracies == pytest.approx(whole.accuracies)
    assert (other.labels.targets[60:] != whole.labels.targets[60:]).any()


def test_features_mend_what_few_votes_leave_open():
    y, features, votes = two_sides(600)
    ours, plain = (aggregated(votes, texts_of(features), settings=s) for s in (CrowdLab(), MajorityVote()))
    voted = (votes >= 0).any(axis=1)
    assert ours.labels.abstain.tolist() == (~voted).tolist()
    right = [(outcome.labels.targets.argmax(axis=1) == y)[voted].mean() for outcome in (ours, plain)]
    assert right[0] > right[1] + 0.1
    assert ours.labels.targets.sum(axis=1) == pytest.approx(np.ones(600))
    assert set(ours.accuracies) == {"a", "b", "c"}


def test_a_pool_that_nobody_votes_on_is_all_silent_and_reads_no_text():
    def unread():
        raise AssertionError("features were read")

    outcome = aggregated(np.full((5, 2), -1), Texts(unread, np.arange(5), L2))
    assert outcome.labels.abstain.all()
    assert outcome.accuracies == {}


def test_votes_that_never_meet_are_refused_before_a_text_is_read():
    def unread():
        raise AssertionError("features were read")

    with pytest.raises(BadData, match="Of 3 unlabelled texts none has votes of two of a, b") as told:
        aggregated([[0, -1], [-1, 1], [1, -1]], Texts(unread, np.arange(3), L2))
    assert told.value.reason == "NoTextWithTwoVotes"


def test_votes_of_one_family_are_refused():
    with pytest.raises(BadData, match="that have a vote fall into one fold") as told:
        aggregated([[0, 0], [1, 1], [-1, -1]], texts_of(np.eye(3), [0, 0, 1]))
    assert told.value.reason == "OneFamily"


VOTES = [
    [0, 0, 1, -1], [0, 0, 0, -1], [1, 1, 1, -1], [1, 0, 1, 1], [0, -1, 1, -1], [2, 2, 2, -1], [2, 1, 2, 2],
    [2, 2, -1, -1], [1, 1, 0, -1], [0, 2, 0, -1], [-1, 1, 1, -1], [2, 0, 1, 1], [-1, 2, -1, -1], [0, 0, -1, 0],
]  # fmt: skip
SAID = [
    [0.6, 0.3, 0.1], [0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1], [0.45, 0.35, 0.2], [0.1, 0.2, 0.7],
    [0.2, 0.2, 0.6], [0.1, 0.1, 0.8], [0.3, 0.5, 0.2], [0.5, 0.1, 0.4], [0.3, 0.4, 0.3], [0.2, 0.45, 0.35],
    [0.3, 0.1, 0.6], [0.8, 0.1, 0.1],
]  # fmt: skip
POSTERIOR = [
    [0.588455, 0.312845, 0.0987], [0.736413, 0.164888, 0.0987], [0.164888, 0.736413, 0.0987],
    [0.135571, 0.76608, 0.098348], [0.468591, 0.36208, 0.169329], [0.0987, 0.164888, 0.736413],
    [0.155398, 0.192621, 0.651981], [0.09903, 0.09903, 0.80194], [0.312845, 0.522267, 0.164888],
    [0.56085, 0.0987, 0.340451], [0.257256, 0.485488, 0.257256], [0.192621, 0.466744, 0.340635],
    [0.282878, 0.099677, 0.617445], [0.802821, 0.098589, 0.098589],
]  # fmt: skip
