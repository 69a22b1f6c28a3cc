"""One text of several: by vote, and by minimum Bayes risk."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s_trainer.families.generation.consensus import UTILITIES, consensus
from w2s_trainer.families.generation.joined import joined
from w2s_trainer.families.generation.scores import token_f1
from w2s_trainer.families.generation.vote import elect, majority


def rows(*given_: list[str]) -> np.ndarray:
    return np.array(given_, dtype=object)


def test_the_vote_of_equal_texts():
    candidates = rows(
        ["mit", "gpl-2.0", "GPL-2.0"],  # equal in the form of comparison
        ["mit", "gpl-2.0", "bsd-new"],  # a tie
        ["", "gpl-2.0", ""],
        ["", "", ""],
        ["GPL-2.0", "gpl-2.0", "gpl-2.0"],  # the spelling of most
    )
    made = joined(candidates, np.ones(3), majority)
    assert made.texts.tolist() == ["gpl-2.0", "mit", "gpl-2.0", "", "gpl-2.0"]
    assert made.agreement == pytest.approx([2 / 3, 1 / 3, 1.0, 0.0, 1.0])
    assert made.abstain.tolist() == [False, False, False, True, False]


def test_weights_of_voters():
    candidates = rows(["mit", "gpl-2.0", "gpl-2.0"], ["", "gpl-2.0", "bsd-new"])
    made = joined(candidates, np.array([3.0, 1.0, 0.0]), majority)
    assert made.texts.tolist() == ["mit", "gpl-2.0"]
    assert made.agreement == pytest.approx([0.75, 1.0])
    by_row = joined(candidates, np.array([[1.0, 1.0, 1.0], [0.0, 1.0, 2.0]]), majority)
    assert by_row.texts.tolist() == ["gpl-2.0", "bsd-new"]


def test_an_election_tells_ties_and_counts_no_abstention():
    targets = [np.array(column, dtype=object) for column in (["a", "a", "", ""], ["b", "A", "b", ""])]
    texts, is_tie = elect(targets, np.ones((2, 4)))
    assert texts.tolist() == ["a", "a", "b", ""]
    assert is_tie.tolist() == [True, False, False, False]
    texts, is_tie = elect(targets, np.array([[1.0] * 4, [2.0] * 4]))
    assert texts.tolist() == ["b", "A", "b", ""]
    assert not is_tie.any()


def test_the_consensus_is_between_the_others():
    # Words shared: 1-2 two of three, 2-3 two of three, 1-3 one of three.
    candidates = rows(["a b c", "b c d", "c d e"])
    made = joined(candidates, np.ones(3), consensus(token_f1))
    assert made.texts.tolist() == ["b c d"]
    assert made.is_tie.tolist() == [False]
    assert made.agreement == pytest.approx([(2 / 3 + 1 + 2 / 3) / 3])


def test_the_consensus_of_strangers_is_the_first_and_of_the_weighty_theirs():
    candidates = rows(["a", "b", "c"], ["", "b", "c"])
    assert joined(candidates, np.ones(3), consensus(token_f1)).texts.tolist() == ["a", "b"]
    heavy = joined(candidates, np.array([1.0, 1.0, 1.5]), consensus(token_f1))
    assert heavy.texts.tolist() == ["c", "c"]
    assert heavy.agreement == pytest.approx([1.5 / 3.5, 1.5 / 2.5])


@pytest.mark.parametrize("utility", UTILITIES.values(), ids=UTILITIES)
@given(st.lists(st.text("ab ", min_size=1, max_size=8), min_size=1, max_size=6), st.randoms())
def test_the_consensus_is_that_of_the_definition(utility, texts, random):
    weights = [random.choice([0.5, 1.0, 2.0]) for _ in texts]
    choice = consensus(utility)(texts, weights)
    expected = [
        sum(w * utility(text, other) for other, w in zip(texts, weights, strict=True)) / sum(weights)
        for text in texts
    ]
    assert choice.agreement == pytest.approx(max(expected))
    assert expected[choice.place] == pytest.approx(max(expected))
