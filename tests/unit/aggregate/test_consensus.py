"""Aggregation of texts by consensus, by hand."""

import numpy as np
import pytest

from w2s_api.methods.aggregations import Consensus
from w2s_api.spec.task import Task
from w2s_trainer.families.generation import Generation
from w2s_trainer.families.generation.texts import texts_of
from w2s_trainer.stages.aggregate.methods import Sources, aggregation_of
from w2s_trainer.stages.tables import WeakLabels

FAMILY = Generation(Task.model_validate({"type": "Generation", "generation": {}}))
WRITTEN = {
    "first": ["b c d", "a b", "", "x", "mit"],
    "second": ["a b c", "", "", "y", "licence"],
    "third": ["a b", "a b c d", "", "", "licences"],
}


def aggregated(**given) -> WeakLabels:
    settings = Consensus.model_validate(given)
    labels = {
        name: WeakLabels(texts_of([text or "stale" for text in said]), np.array([not text for text in said]))
        for name, said in WRITTEN.items()
    }
    sources = Sources(labels, np.arange(5), FAMILY)
    outcome = aggregation_of(settings)(settings, sources)
    assert outcome.accuracies == {}
    return outcome.labels


def test_the_text_that_is_nearest_to_all_is_taken():
    """F1 of b c d, a b c: 2/3; of b c d, a b: 2/5; of a b c, a b: 4/5. So a b c has (1 + 2/3 + 4/5) / 3, the most."""
    labels = aggregated(utility="TokenF1")
    # of two texts each is as near to the other: the first
    assert labels.targets.tolist() == ["a b c", "a b", "", "x", "mit"]
    assert labels.abstain.tolist() == [False, False, True, False, False]


def test_nearness_is_of_characters_or_of_words():
    """Three different words have no word in common, and two of them most of their characters."""
    assert aggregated(utility="TokenF1").targets[4] == "mit"
    assert aggregated().targets[4] in ("licence", "licences")


@pytest.mark.parametrize(
    ("weights", "wanted"),
    [
        # b c d: (5 + 2/3 + 2/5) / 7 against a b c: (5 * 2/3 + 1 + 4/5) / 7
        ({"first": "5"}, "b c d"),
        ({"first": "0", "second": "0"}, "a b"),
        ({"second": "0.001"}, "a b c"),  # nearest to the other two: 2/3 + 4/5 is more than 1 + 2/5
    ],
)
def test_labelers_count_by_their_weights(weights, wanted):
    given = [{"labeler": name, "weight": weight} for name, weight in weights.items()]
    assert aggregated(utility="TokenF1", weights=given).targets[0] == wanted


def test_a_text_on_which_only_labelers_of_no_weight_answer_has_none():
    labels = aggregated(weights=[{"labeler": "first", "weight": "0"}, {"labeler": "second", "weight": "0"}])
    assert labels.abstain.tolist() == [False, False, True, True, False]
    assert labels.targets[3] == ""


def test_results_depend_on_weights_that_are_not_one_in_any_order():
    plain = Consensus.model_validate({"weights": [{"labeler": "a", "weight": "1.0"}]})
    assert plain.result_settings() == Consensus().result_settings()
    unequal = [{"labeler": "a", "weight": "2"}, {"labeler": "b", "weight": "3"}]
    one, other = (Consensus.model_validate({"weights": order}) for order in (unequal, unequal[::-1]))
    assert one.result_settings() == other.result_settings() != plain.result_settings()
    assert Consensus(utility="TokenF1").result_settings() != Consensus().result_settings()
