"""What of the pairs goes: by hand, and the filter of likeness beside one that compares all with all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s_api.spec.data import NearDuplicates
from w2s_trainer.families.generation.scores import rouge_l
from w2s_trainer.stages.synthesise.alike import unlike
from w2s_trainer.stages.synthesise.pairs import Pair
from w2s_trainer.stages.synthesise.removal import kept_of

LONG = "one two three four five six seven eight nine ten eleven twelve"


def pair(quoted, question="What is it?", answer="it") -> Pair:
    return Pair(0, question, answer, (0, 1), quoted, (0, 1), quoted, "by hand")


def kept(*texts, test=()):
    pairs = [pair(f"{number} words of their own {number}") for number in range(len(texts))]
    return kept_of(pairs, texts, test, NearDuplicates(), 1.0)


def test_near_duplicates_of_the_test_go():
    # 8 shingles of five words; with one more word 8 of 9 are shared, with another in the middle 3 of 13
    near, far = f"{LONG} thirteen", LONG.replace("six", "6")
    assert kept(near, far, LONG.upper(), test=[LONG]) == ([1], {"duplicates": 0, "nearTest": 2, "alike": 0})
    assert kept(near, far, LONG.upper()) == ([0, 1, 2], {"duplicates": 0, "nearTest": 0, "alike": 0})


def test_what_a_near_duplicate_of_the_test_joins_goes_too():
    """As `prepare` has it: families are joined transitively."""
    one, two = (
        f"{LONG} a",
        f"{LONG} a b c",
    )  # of 8 shingles with the test one has 8 of 9, two 8 of 11; with each other 9 of 11
    assert kept(two, test=[LONG])[0] == [0]
    assert kept(two, one, test=[LONG])[0] == []


def test_one_text_is_there_once():
    assert kept("a b", "A  b", "c d") == ([0, 2], {"duplicates": 1, "nearTest": 0, "alike": 0})


def test_pairs_are_alike_where_question_answer_and_quotation_are():
    pairs = [
        pair("Copyright 2004 by Alder of Oslo", "Who holds the copyright?", "Alder of Oslo"),
        pair("Copyright 2005 by Alder of Oslo", "Who holds the copyright?", "Alder of Oslo"),  # 5 of 6 words
        pair("Copyright 2005 by Alder of Oslo", "When was it claimed?", "2005"),
        pair("Copyright 2004 by Birch and sons", "Who holds the copyright?", "Birch and sons"),
    ]
    assert unlike(pairs, 0.7) == [True, False, True, True]
    assert unlike(pairs, 0.9) == [True, True, True, True]


some_words = st.lists(st.sampled_from("abcdef"), max_size=8).map(" ".join)
some_pairs = st.lists(
    st.builds(pair, some_words, st.sampled_from(["who", "who is", "when"]), some_words), max_size=12
)


@given(pairs=some_pairs, most=st.sampled_from([0.3, 0.5, 0.7, 0.9, 1.0]))
def test_the_filter_finds_what_comparing_all_with_all_finds(pairs, most):
    def alike(one: Pair, other: Pair) -> bool:
        texts = ("quoted", "question", "answer")
        return all(rouge_l(getattr(one, name), getattr(other, name)) >= most - 1e-9 for name in texts)

    stay: list[int] = []
    for place, one in enumerate(pairs):
        if not any(alike(one, pairs[other]) for other in stay):
            stay.append(place)
    assert [place for place, stays in enumerate(unlike(pairs, most)) if stays] == stay


@pytest.mark.parametrize("count", [0, 1])
def test_none_and_one(count):
    assert unlike([pair("a")] * count, 0.7) == [True] * count
    assert kept_of([pair("a")] * count, ["a"] * count, [], NearDuplicates(), 0.7)[0] == list(range(count))
