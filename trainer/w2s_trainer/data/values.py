"""What a row has to have, for jobs and for `w2s predict` alike: a text, and keys."""

import json
import math
import unicodedata
from decimal import Decimal
from typing import Any

from w2s_trainer.data.keys import NotAKey, canonical_key, has_lone_surrogate, is_missing, kind_of
from w2s_trainer.data.row import Row

_NUMERIC = (int, float, Decimal, str)
"""Types that may hold a number; CSV holds strings."""


class Unfit(ValueError):
    """A row cannot be used; the message is the reason and quotes nothing of the data."""


def text_of(row: Row, name: str) -> str:
    """The text of a row, as it was written.

    Raises:
        Unfit: there is none, it is no text, or there is nothing to be seen in it.
    """
    text = value_of(row, name)
    if name not in row.values:
        raise Unfit(f"no `{name}`")
    if is_missing(text):
        raise Unfit(f"no `{name}`: it is {'null' if text is None else 'NaN'}")
    if not isinstance(text, str):
        raise Unfit(f"`{name}` is not a string but {kind_of(text)}")
    if all(character.isspace() or unicodedata.category(character) == "Cf" for character in text):
        raise Unfit(f"`{name}` is empty")
    if has_lone_surrogate(text):
        raise Unfit(f"`{name}` has half a surrogate pair, which no file can hold")
    return text


def answer_of(row: Row, name: str) -> str | None:
    """The text that somebody wrote about a row, as it was written but for white space around it; None where there is none.

    Words such as `none` are texts: somebody may have meant them.

    Raises:
        Unfit: the value is no text, nor a number that can be written as one.
    """
    value = value_of(row, name)
    if not isinstance(value, str):
        return key_of(row, name)
    if has_lone_surrogate(value):
        raise Unfit(f"`{name}` has half a surrogate pair, which no file can hold")
    seen = any(not (one.isspace() or unicodedata.category(one) == "Cf") for one in value)
    return value.strip() if seen else None


def input_of(row: Row, name: str) -> str:
    """What a model reads of a row beside its text: as it was written if it is text, which may be empty; numbers as keys.

    Raises:
        Unfit: there is nothing, or nothing that can be written as text.
    """
    value = value_of(row, name)
    if name not in row.values or is_missing(value):
        raise Unfit(f"no `{name}`")
    if not isinstance(value, str):
        return key_of(row, name) or ""
    if has_lone_surrogate(value):
        raise Unfit(f"`{name}` has half a surrogate pair, which no file can hold")
    return value


def key_of(row: Row, name: str) -> str | None:
    """The key of a row in its one form; None where there is none.

    Raises:
        Unfit: the value cannot be a key.
    """
    try:
        return canonical_key(value_of(row, name))
    except NotAKey as error:
        raise Unfit(f"`{name}` {error}") from None


REFERENCE_END = "\n"
"""Stands between several gold texts that are one label: keys have no line breaks."""


def references_of(row: Row, name: str, *, in_cell: bool) -> str | None:
    """The texts that experts wrote about a row, a text or a list of them, as one label; None where there are none.

    Args:
        row: as it was read.
        name: of the field.
        in_cell: whether a text that is a JSON list of texts is meant as the list: cells of CSV hold no others.

    Raises:
        Unfit: the value, or one of the list, is no text, nor a number that can be written as one.
    """
    value = value_of(row, name)
    listed = _list_in(value) if in_cell and isinstance(value, str) else value
    if not isinstance(listed, list):
        return key_of(row, name)
    try:
        texts = [canonical_key(text) for text in listed]
    except NotAKey as error:
        raise Unfit(f"`{name}` is a list, and one of its texts {error}") from None
    if None in texts:
        raise Unfit(f"`{name}` is a list, and one of its texts is empty")
    return REFERENCE_END.join(dict.fromkeys(str(text) for text in texts)) or None


def _list_in(cell: str) -> list[str] | None:
    if not cell.lstrip().startswith("["):
        return None
    try:
        value = json.loads(cell)
    except ValueError:
        return None
    return value if isinstance(value, list) and all(isinstance(text, str) for text in value) else None


def share_of(row: Row, name: str) -> float:
    """The number from 0 to 1 that a row has in a field; NaN where it has none.

    Raises:
        Unfit: there is something else.
    """
    value = value_of(row, name)
    if is_missing(value) or (isinstance(value, str) and not value.strip()):
        return math.nan
    try:
        share = math.nan if isinstance(value, bool) or not isinstance(value, _NUMERIC) else float(value)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise Unfit(f"`{name}` is not a number from 0 to 1")
    return share


def value_of(row: Row, name: str) -> Any:
    """What the row has in a field; None if it does not have it.

    Raises:
        Unfit: it has the field more than once, perhaps with different values.
    """
    if name in row.repeated:
        raise Unfit(f"`{name}` is given more than once")
    return row.values.get(name)
