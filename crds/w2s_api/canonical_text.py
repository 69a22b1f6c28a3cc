"""The one form in which ids, groups, labels and class names are compared (docs/data.md, Keys)."""

import re
import unicodedata

_BOOLEANS = {"True": "true", "TRUE": "true", "False": "false", "FALSE": "false"}
_WHOLE = re.compile(r"(-?[0-9]+)\.0+")


def canonical_text(text: str) -> str:
    """The one form of a key that is text.

    That is Unicode NFKC without characters that cannot be seen, with single spaces inside and none around;
    `12.0` is `12`, and `True` is `true`. Case is kept, and so are leading zeros.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        text = "".join(character for character in text if unicodedata.category(character) != "Cf")
    text = " ".join(text.split())
    if whole := _WHOLE.fullmatch(text):
        text = whole[1]
    return "0" if text == "-0" else _BOOLEANS.get(text, text)
