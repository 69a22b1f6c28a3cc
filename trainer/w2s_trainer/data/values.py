"""What a row has to have, for jobs and for `w2s predict` alike: a text, and keys."""

import unicodedata

from w2s_trainer.data.keys import NotAKey, canonical_key, has_lone_surrogate, is_missing, kind_of
from w2s_trainer.data.row import Row


class Unfit(ValueError):
    """A row cannot be used; the message is the reason and quotes nothing of the data."""


def text_of(row: Row, name: str) -> str:
    """The text of a row, as it was written.

    Raises:
        Unfit: there is none, it is no text, or there is nothing to be seen in it.
    """
    _check_given_once(row, name)
    text = row.values.get(name)
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


def key_of(row: Row, name: str) -> str | None:
    """The key of a row in its one form; None where there is none.

    Raises:
        Unfit: the value cannot be a key.
    """
    _check_given_once(row, name)
    try:
        return canonical_key(row.values.get(name))
    except NotAKey as error:
        raise Unfit(f"`{name}` {error}") from None


def _check_given_once(row: Row, name: str) -> None:
    if name in row.repeated:
        raise Unfit(f"`{name}` is given more than once")
