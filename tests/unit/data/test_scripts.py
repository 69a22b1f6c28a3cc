"""The words of a text, in every script."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s_trainer.data.scripts import words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("gpl-2.0-plus OR mit", ["gpl", "2", "0", "plus", "OR", "mit"], id="punctuation divides"),
        pytest.param("a_b", ["a", "b"], id="so does the underscore"),
        pytest.param("Größe: 3 m²", ["Größe", "3", "m²"], id="letters beyond ASCII"),
        pytest.param("हिन्दी भाषा", ["हिन्दी", "भाषा"], id="vowel signs belong to their word"),
        pytest.param("许可证 GPL", ["许", "可", "证", "GPL"], id="a letter each where no spaces are written"),
        pytest.param("許GPL2許可", ["許", "GPL2", "許", "可"], id="scripts side by side"),
        pytest.param("น้ำ", ["น้", "ำ"], id="Thai accents stay with their letter"),
        pytest.param("…!? –", [], id="no word"),
    ],
)
def test_words(text, found):
    assert words(text) == found


@given(st.text(st.sampled_from("ab1 _-.é許น้́")))
def test_nothing_of_a_word_is_lost_and_nothing_is_added(text):
    assert "".join(words(text)) == re.sub(r"[ _.-]", "", text)
