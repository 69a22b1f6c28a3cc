"""Texts that repeat themselves."""

import pytest

from w2s_trainer.families.generation.repetition import ends_in_loop, length_ratio, repeated_share


def test_the_share_of_repeated_n_grams_by_hand():
    # a b c d, b c d a, c d a b, d a b c, a b c d: five, of which one was there before
    assert repeated_share("a b c d A B c, d") == pytest.approx(1 / 5)
    assert repeated_share("a b c d e f") == 0.0
    assert repeated_share("a b c") == 0.0
    assert repeated_share("a a a a", length=1) == pytest.approx(3 / 4)


@pytest.mark.parametrize(
    ("text", "loop"),
    [
        pytest.param("The licence is " + "the licence of " * 8, True, id="a phrase"),
        pytest.param("The licence is " + "the licence of " * 8 + "the lic", True, id="cut off"),
        pytest.param("mit" + " OR mit" * 12, True, id="an expression"),
        pytest.param("Answer: " + "a" * 60, True, id="a letter"),
        pytest.param("许可" * 30, True, id="without spaces"),
        pytest.param("one line\n" * 6, True, id="lines"),
        pytest.param("The licence of the licence of the licence of", False, id="three times"),
        pytest.param("ha ha ha ha ha", False, id="short"),
        pytest.param(
            "the licence of " * 8 + "and then it went on to say something else", False, id="it ended"
        ),
        pytest.param("", False, id="nothing"),
        pytest.param(
            "a sentence of words that are all its own, with nothing in it said twice", False, id="none"
        ),
    ],
)
def test_an_endless_repetition(text, loop):
    assert ends_in_loop(text) is loop


def test_length_ratio():
    assert length_ratio("a b c", "a b") == 1.5
    assert length_ratio("", "a b c d") == 0.25
    assert length_ratio("a b", "") == 2.0
