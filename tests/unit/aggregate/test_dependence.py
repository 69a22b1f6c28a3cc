"""Labelers that are not independent are told; those that are, are not."""

import numpy as np
import pytest
from populations import classes_called, labels_of

from w2s_api.methods.aggregations import DawidSkene
from w2s_trainer.stages.aggregate.dawid_skene import aggregate
from w2s_trainer.stages.aggregate.dependence import dependent_pairs
from w2s_trainer.stages.aggregate.methods import Sources
from w2s_trainer.stages.aggregate.summary import sources_summary

NAMES = ("a", "b", "c", "d", "e")


def votes_of(seed: int, copies: bool, classes: int = 2, texts: int = 4_000):
    rng = np.random.default_rng(seed)
    gold = rng.integers(0, classes, texts)
    votes = np.stack(
        [
            np.where(rng.random(texts) < right, gold, rng.integers(0, classes, texts))
            for right in (0.5, 0.6, 0.4, 0.7, 0.5)
        ],
        axis=1,
    )
    votes[rng.random(votes.shape) < 0.2] = -1
    if copies:
        votes[:, 4] = np.where(rng.random(texts) < 0.8, votes[:, 0], votes[:, 4])
    return votes


def summary_of(votes, classes: int = 2):
    sources = Sources(labels_of(votes, classes), np.arange(len(votes)), classes_called(classes))
    return sources_summary(sources, aggregate(DawidSkene(), sources))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("classes", [2, 4])
def test_independent_labelers_are_not_suspected(seed, classes):
    summary = summary_of(votes_of(seed, copies=False, classes=classes), classes)
    assert "dependent" not in summary
    assert "warnings" not in summary
    assert set(summary["sources"]) == set(NAMES)
    assert summary["sources"]["a"]["answered"] == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("classes", [2, 4])
def test_a_labeler_that_mostly_repeats_another_is_told(seed, classes):
    summary = summary_of(votes_of(seed, copies=True, classes=classes), classes)
    assert summary["dependent"][0]["labelers"] == ["a", "e"]
    assert "`a` and `e` agree on" in summary["warnings"][0]


def test_three_labelers_can_always_be_independent():
    assert dependent_pairs(votes_of(0, copies=True)[:, [0, 1, 4]], 2, ("a", "b", "e")) == []


def test_a_pair_that_rarely_answers_both_is_not_judged():
    assert dependent_pairs(votes_of(0, copies=True)[:60], 2, NAMES) == []


def test_rules_that_never_contradict_each_other_by_construction_are_not_suspected():
    rng = np.random.default_rng(1)
    gold = rng.integers(0, 2, 4_000)
    cast = rng.random((4_000, 4)) < np.where(gold[:, None] == [1, 1, 1, 0], 0.6, 0.2)
    assert dependent_pairs(np.where(cast, [1, 1, 1, 0], -1), 2, ("a", "b", "c", "d")) == []
