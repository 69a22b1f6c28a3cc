"""Where passages begin and end and where quotations stand, by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s_trainer.stages.synthesise.pairs import (
    Document,
    find_quotation,
    in_turns,
    pair_of,
    passage_after,
    passage_around,
    passage_before,
    passages_of,
)

TEXT = "Alder wood burns fast. Birch bark peels in sheets. Cedar keeps moths away."
BIRCH = (23, 50)


def at(span, text=TEXT):
    return text[slice(*span)]


def test_a_passage_is_whole_words_around_what_is_quoted():
    assert at(BIRCH) == "Birch bark peels in sheets."
    assert at(passage_around(TEXT, BIRCH, 27)) == at(BIRCH)
    assert at(passage_around(TEXT, BIRCH, 43)) == "fast. Birch bark peels in sheets. Cedar"
    assert at(passage_around(TEXT, BIRCH, 1000)) == TEXT
    assert passage_around(TEXT, BIRCH, 26) is None


def test_a_passage_before_or_after_a_place_is_whole_words():
    assert at(passage_before(TEXT, 23, 12)) == "burns fast."
    assert at(passage_after(TEXT, 23, 12)) == "Birch bark"


words = st.lists(st.text("ab.", min_size=1, max_size=6), min_size=1, max_size=30).map(" ".join)


@given(text=words, size=st.integers(1, 40), data=st.data())
def test_every_passage_fits_and_holds_what_is_quoted(text, size, data):
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    passage = passage_around(text, (start, end), size)
    assert (passage is None) == (end - start > size)
    if passage:
        assert passage[0] <= start < end <= passage[1]
        assert passage[1] - passage[0] <= size


def test_a_document_is_cut_into_passages_that_are_spread():
    text = " ".join(f"word{number:03}" for number in range(100))  # 8 characters each, with a space
    every = passages_of(text, 80, 100)
    assert len(every) == 10
    assert " ".join(at(span, text) for span in every) == text
    assert passages_of(text, 80, 2) == [every[0], every[5]]
    assert passages_of("too short", 80, 2) == []


@pytest.mark.parametrize(
    ("quotation", "found"),
    [
        ("Birch bark peels in sheets.", BIRCH),
        ("“birch  BARK peels\nin sheets.”", BIRCH),
        ("bark peels in sheets...", (29, 49)),
        ("Birch bark peels in rolls.", None),
        ("Birch (bark", None),
        ("", None),
        ("“”", None),
    ],
)
def test_a_quotation_stands_in_its_source_word_by_word(quotation, found):
    assert find_quotation(quotation, TEXT, (0, len(TEXT))) == found


def test_a_quotation_is_looked_for_in_its_passage_alone():
    assert find_quotation("Alder wood", TEXT, BIRCH) is None
    assert find_quotation("Birch bark", TEXT, BIRCH) == (23, 33)


def test_a_pair_keeps_where_it_is_from():
    pair = pair_of(Document(7, TEXT), "What\n peels?", " bark ", BIRCH, (0, 50), "rules[0]")
    assert (pair.row, pair.question, pair.answer) == (7, "What peels?", "bark")
    assert pair.quoted == at(BIRCH)
    assert pair.as_text("{question}|{passage}") == f"What peels?|{TEXT[:50]}"
    tricky = pair_of(Document(7, TEXT), "Is {passage} it?", "no", BIRCH, BIRCH, "rules[0]")
    assert tricky.as_text("{question} {passage}") == f"Is {{passage}} it? {at(BIRCH)}"


def test_kinds_take_turns():
    assert in_turns(["ad", "b", "cef"]) == ["a", "b", "c", "d", "e", "f"]
