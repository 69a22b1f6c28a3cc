"""Pairs of a question and its answer, each grounded in words of its document. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TypeVar

Span = tuple[int, int]
"""Characters of a document, from the first to before the second."""

T = TypeVar("T")

_WORD = re.compile(r"\S+")
_FIELD = re.compile(r"\{(question|passage)\}")
_QUOTES = "\"'“”„«»‘’`"
_ALIKE = str.maketrans(
    {**dict.fromkeys("“”„«»", '"'), **dict.fromkeys("‘’`", "'"), **dict.fromkeys("‐‑–—", "-")}
)
"""One character for another, so that places in a text stay."""
_LEAST_PASSAGE = 40
"""Characters of a passage that can be asked about."""


@dataclass(frozen=True)
class Document:
    """A text of the pool."""

    row: int
    """Its place among the examples."""
    text: str


@dataclass(frozen=True)
class Pair:
    """A question about a passage of a document, its answer, and the words of the document that say so."""

    row: int
    """The document's place among the examples."""
    question: str
    answer: str
    quotation: Span
    quoted: str
    """The words at the quotation."""
    passage: Span
    shown: str
    """The words at the passage."""
    generator: str
    """Who made it, within its step."""

    def as_text(self, template: str) -> str:
        """The text that is labelled and learnt from; {question} and {passage} stand for those."""
        parts = {"question": self.question, "passage": self.shown}
        return _FIELD.sub(lambda field: parts[field[1]], template).strip()


def pair_of(
    document: Document, question: str, answer: str, quotation: Span, passage: Span, generator: str
) -> Pair:
    """A pair with its white space in one form, but for that of the passage."""
    return Pair(
        document.row,
        " ".join(question.split()),
        " ".join(answer.split()),
        quotation,
        document.text[slice(*quotation)],
        passage,
        document.text[slice(*passage)],
        generator,
    )


def passage_around(text: str, span: Span, size: int) -> Span | None:
    """Whole words around a span, at most `size` characters, as many before it as after it; None where the span has more."""
    start, end = span
    room = size - (end - start)
    if room < 0:
        return None
    first = max(0, start - room // 2)
    last = min(len(text), first + size)
    first = max(0, last - size)
    return _whole_words(text, first, last, span)


def passage_before(text: str, end: int, size: int) -> Span:
    """Whole words that end at a place, at most `size` characters."""
    end = len(text[:end].rstrip())
    return _whole_words(text, max(0, end - size), end, (end, end))


def passage_after(text: str, start: int, size: int) -> Span:
    """Whole words that begin at a place, at most `size` characters."""
    start += len(text[start:]) - len(text[start:].lstrip())
    return _whole_words(text, start, min(len(text), start + size), (start, start))


def passages_of(text: str, size: int, most: int) -> list[Span]:
    """A document in passages of whole words, `most` of them, spread evenly; too short ones are left out."""
    passages: list[Span] = []
    for word in _WORD.finditer(text):
        if passages and word.end() - passages[-1][0] <= size:
            passages[-1] = (passages[-1][0], word.end())
        else:
            passages.append((word.start(), min(word.end(), word.start() + size)))
    passages = [span for span in passages if span[1] - span[0] >= min(_LEAST_PASSAGE, size)]
    if len(passages) <= most:
        return passages
    return [passages[place * len(passages) // most] for place in range(most)]


def find_quotation(quotation: str, text: str, within: Span) -> Span | None:
    """Where a quotation stands in a part of a text: case, white space and the form of quotation marks aside.

    None where it does not, or is empty.
    """
    said = quotation.translate(_ALIKE).strip().strip(_QUOTES + "… ").removesuffix("...").split()
    if not said:
        return None
    pattern = re.compile(r"\s+".join(map(re.escape, said)), re.IGNORECASE)
    found = pattern.search(text.translate(_ALIKE), *within)
    return found.span() if found else None


def in_turns(kinds: Sequence[Sequence[T]]) -> list[T]:
    """The first of each kind, then the second of each, and so on."""
    return [one for turn in zip_longest(*kinds, fillvalue=None) for one in turn if one is not None]


def _whole_words(text: str, first: int, last: int, keep: Span) -> Span:
    """The words that are whole between two places, and whatever there is between the places of `keep`."""
    if 0 < first < keep[0] and not text[first - 1].isspace():
        while first < keep[0] and not text[first].isspace():
            first += 1
    if keep[1] < last < len(text) and not text[last].isspace():
        while last > keep[1] and not text[last - 1].isspace():
            last -= 1
    while first < keep[0] and text[first].isspace():
        first += 1
    while last > keep[1] and text[last - 1].isspace():
        last -= 1
    return first, last
