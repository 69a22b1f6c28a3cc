"""What belongs to a word, in every script, and the words of a text."""

import re
import unicodedata
from functools import cache

UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f"  # Myanmar
    "\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\uaa80-\uaadf"  # Khmer, Tai Le, New Tai Lue, Tai Tham, Tai Viet
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c"  # Han: radicals and its own signs
    "\u3041-\u30ff\u3100-\u312f\u31a0-\u31bf\u31f0-\u31ff"  # Hiragana, Katakana, Bopomofo
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
"""Ranges of scripts that write no spaces between words."""

_IS_UNSPACED = re.compile(f"[{UNSPACED}]")
_ASCII_WORD = re.compile(r"[0-9A-Za-z]+")


@cache
def is_word(character: str) -> bool:
    """Whether a character belongs to a word: letters, accents, numbers, and what joins words like `_`."""
    category = unicodedata.category(character)
    return category[0] in "LMN" or category == "Pc"


@cache
def is_accent(character: str) -> bool:
    """Whether a character combines with the one before it."""
    return unicodedata.category(character)[0] == "M"


@cache
def is_unspaced(character: str) -> bool:
    """Whether a character is a letter (or digit or accent) of a script without spaces."""
    return _IS_UNSPACED.match(character) is not None and is_word(character)


def has_unspaced(text: str) -> bool:
    """Whether any character of a text is of a script without spaces."""
    return _IS_UNSPACED.search(text) is not None


def words(text: str) -> list[str]:
    """The words of a text: runs of letters, accents and numbers; in scripts without spaces each letter is one."""
    if text.isascii():
        return _ASCII_WORD.findall(text)
    found: list[str] = []
    continues = continues_spaced = False
    for character in text:
        if unicodedata.category(character)[0] not in "LMN":
            continues = continues_spaced = False
            continue
        spaced = not is_unspaced(character)
        if (continues and is_accent(character)) or (continues_spaced and spaced):
            found[-1] += character
        else:
            found.append(character)
            continues_spaced = spaced
        continues = True
    return found
