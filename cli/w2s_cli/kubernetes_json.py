"""JSON as kubectl reads it: one object after another, with or without a line between them."""

import json
import re

_ESCAPE = re.compile(r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|(.))")
_BLANK = re.compile(r"[ \t\r\n\ufeff]*")


def json_documents(text: str) -> list[str]:
    """Returns the objects of a JSON text, each as YAML that means the same, on the same lines; none if it is not JSON.

    YAML reads JSON but for two of its escapes: a pair of surrogates, and `\\/`.
    """
    decoder = json.JSONDecoder()
    documents, place = [], _next(text, 0)
    while place < len(text):
        if text[place] != "{":
            return []
        try:
            _, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            return []
        before = text[:place].count("\n")
        documents.append("\n" * before + _ESCAPE.sub(_as_yaml, text[place:end]))
        place = _next(text, end)
    return documents


def _next(text: str, place: int) -> int:
    blank = _BLANK.match(text, place)
    assert blank is not None, "nothing is blank too"
    return blank.end()


def _as_yaml(escape: re.Match[str]) -> str:
    high, low, single = escape.groups()
    if high:
        return chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00)
    return "/" if single == "/" else escape[0]
