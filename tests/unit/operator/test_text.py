"""Text of pods, Events and webhooks: one rule for all of it."""

import pytest

from w2s_operator.text import printable


@pytest.mark.parametrize(
    ("text", "most", "kept"),
    [
        ("plain", 64, "plain"),
        ("plain", 3, "pla"),
        ("\x1b[2Jred\r\n", 64, " [2Jred  "),
        ("a\u202eb\u200bc", 64, "a b c"),  # turns the direction, has no width
        ("\ud800", 64, " "),
        ("naïve – 契約", 64, "naïve – 契約"),
        (None, 64, ""),
        (7, 64, ""),
        ({"a": 1}, 64, ""),
    ],
)
def test_what_is_printable_stays(text: object, most: int, kept: str):
    assert printable(text, most) == kept
    assert printable(text, most).isprintable()
