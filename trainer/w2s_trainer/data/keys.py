"""Keys: what ids, groups and labels are compared by. All ways to write one key have one form (docs/data.md)."""

import re
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from w2s_api.canonical_text import canonical_text
from w2s_trainer.data.row import Foreign

_MISSING = frozenset({"nan", "none", "null", "nat", "<na>", "n/a", "#n/a", r"\n"})
_SCIENTIFIC = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?[eE]\+[0-9]+")
_EXACT = 2**53
"""From here on a floating-point number no longer tells every whole number from the next."""


class NotAKey(ValueError):
    """The value cannot be an id, a group or a label; the message continues a sentence about the field."""


def canonical_key(value: Any) -> str | None:
    """The one form of a key; None where there is none (null, NaN, nothing but white space).

    Numbers are written without a fraction of zeros or an exponent (tools that know no missing integers write 1 as
    1.0), true and false as JSON writes them. See `canonical_text` for text.

    Raises:
        NotAKey: the value has no plain form (a list), or several (a date), or its last digits may be lost.
    """
    if is_missing(value):
        return None
    match value:
        case str():
            return _of_text(value)
        case bool():
            return "true" if value else "false"
        case int() | UUID():
            return str(value)
        case float() | Decimal():
            return _of_number(value)
        case date():
            raise NotAKey(f"is {kind_of(value)}: store it as text, written alike in all sources")
    raise NotAKey(f"is neither a string nor a number, but {kind_of(value)}")


def is_missing(value: Any) -> bool:
    """Whether the value says that there is none: null, or NaN, which is how data frames write it."""
    return value is None or bool(value != value)


def says_missing(key: str) -> bool:
    """Whether a key is one of the words that programs write for a missing value: `nan`, `None`, `NULL`, `NA`."""
    return key == "NA" or key.casefold() in _MISSING


def has_lone_surrogate(text: str) -> bool:
    """Whether half of a surrogate pair is in the text, which no file in UTF-8 can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def kind_of(value: Any) -> str:
    """What a value is, in words that name nothing of it."""
    match value:
        case Foreign():
            return f"of the type {value.type}"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case Decimal():
            return "a decimal number"
        case str():
            return "a string"
        case list() | tuple():
            return "a list (an array)"
        case dict():
            return "an object"
        case datetime():
            return "a timestamp"
        case date():
            return "a date"
    return f"of the type {type(value).__name__}"


def _of_text(text: str) -> str | None:
    if has_lone_surrogate(text):
        raise NotAKey("has half a surrogate pair, which no file can hold")
    key = canonical_text(text)
    if _SCIENTIFIC.fullmatch(key):
        raise NotAKey("is a number in scientific notation, which loses digits: write all of them")
    return key or None


def _of_number(value: float | Decimal) -> str:
    if isinstance(value, float) and abs(value) >= _EXACT:
        raise NotAKey(
            "is a floating-point number of 2^53 or more, which loses digits: store integers or text"
        )
    number = Decimal(repr(value)) if isinstance(value, float) else value
    if not number.is_finite():
        raise NotAKey("is not a finite number")
    return str(int(number)) if number == int(number) else format(number.normalize(), "f")
