"""What rules see of a text, written so that RE2 finds words of every script.

RE2 is linear in the text and knows words of ASCII only: `\\b` looks at the two bytes beside it. So each character
beyond ASCII is written between two marks of ASCII, of which the outer byte is a letter where the character belongs
to a word. Capitals and control characters are free for that: a folded text has none. `\\b` and `\\B` then hold
where Unicode has them (UTS #18, C.1.2a), and a text of ASCII alone is written as it is.

In scripts without spaces every letter is a word boundary (UAX #29 without a dictionary). Their letters have marks
of both kinds, of which each edge gets the one that makes `\\b` hold there.
"""

import re
import unicodedata

from w2s_trainer.data.normal_form import folded
from w2s_trainer.data.scripts import has_unspaced, is_accent, is_unspaced, is_word

WORD_MARKS = ("O", "C")
"""Around a character that belongs to a word."""
OTHER_MARKS = ("\x01", "\x02")
"""Around any other character."""
UNSPACED_MARKS = (("N", "\x03"), ("Q", "\x04"))
"""Before and after a letter of a script without spaces; of each pair the first counts as part of a word."""

_IGNORED = (
    "\u00ad\u034f\u061c\u0640\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff"
)
"""Default_Ignorable_Code_Point (soft hyphens, zero-width characters, direction marks), and the Arabic tatweel."""
_ALIKE = {
    "'": "\u2018\u2019\u201b\u02bc\u02b9\u2032\u00b4\u2039\u203a\u05f3\uff07",
    '"': "\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033\u301d\u301e\u301f\u05f4\uff02",
    "-": "\u2010-\u2015\u2212\u2043\u05be\u2e3a\u2e3b\ufe58\ufe63\uff0d",
    " ": "\x01-\x04",
}
"""Typographic forms by the character of a keyboard that stands for them; the marks count as white space."""


def _members(ranges: str) -> list[int]:
    codes: list[int] = []
    for first, last in re.findall(r"(?s)(.)(?:-(.))?", ranges):
        codes += range(ord(first), ord(last or first) + 1)
    return codes


_REPLACED = {
    **dict.fromkeys(_members(_IGNORED)),
    **{code: plain for plain, forms in _ALIKE.items() for code in _members(forms)},
}
_RUN = re.compile(r"[^\x00-\x7f]+")


def alike(text: str) -> str:
    """A folded text whose typographic forms are plain: apostrophes, quotation marks, dashes, composed accents.

    What cannot be seen is left out, and the i of Turkish, with a dot or without, is an i. White space stays.
    """
    text = folded(text.translate(_REPLACED))
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", text).replace("i\u0307", "i").replace("\u0131", "i")


def searchable(text: str) -> str:
    """What rules see of a text: alike, with one space for white space in a line and one line end between lines."""
    lines = (" ".join(line.split()) for line in alike(text).splitlines())
    return "\n".join(line for line in lines if line)


def marked(text: str) -> str:
    """A searchable text with marks around what is beyond ASCII."""
    if text.isascii():
        return text
    return _RUN.sub(_with_marks, text) if has_unspaced(text) else text.translate(_MARKED)


def unmarked(text: str) -> str:
    """A marked text, or a part of one, without its marks."""
    return text if text.isascii() else text.translate(_NO_MARKS)


class _Marked(dict[int, str]):
    """By code point, the character with its marks."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if character.isascii():
            written = character
        else:
            before, after = WORD_MARKS if is_word(character) else OTHER_MARKS
            written = f"{before}{character}{after}"
        self[code] = written
        return written


_MARKED = _Marked()
_NO_MARKS = dict.fromkeys(map(ord, (*WORD_MARKS, *OTHER_MARKS, *UNSPACED_MARKS[0], *UNSPACED_MARKS[1])))


def _with_marks(run: re.Match[str]) -> str:
    """Marks a run of characters beyond ASCII."""
    characters, text = run[0], run.string
    follows_word = run.start() > 0 and is_word(text[run.start() - 1])
    leads_to_word = run.end() < len(text) and is_word(text[run.end()])
    written = []
    for place, character in enumerate(characters):
        if is_unspaced(character):
            boundary = not is_accent(character)
            before = UNSPACED_MARKS[0][follows_word == boundary]
            following = characters[place + 1 : place + 2]
            after = UNSPACED_MARKS[1][_is_spaced_letter(following) if following else leads_to_word]
            written.append(f"{before}{character}{after}")
            follows_word = after == UNSPACED_MARKS[1][0]
        else:
            written.append(_MARKED[ord(character)])
            follows_word = is_word(character)
    return "".join(written)


def _is_spaced_letter(character: str) -> bool:
    return is_word(character) and not is_unspaced(character) and not is_accent(character)
