"""The sentences of a text. Pure."""

import re

from w2s_trainer.stages.synthesise.pairs import Span

_END = re.compile(
    r"""(?<!\s)[.!?:]?["”')\]]{0,3}(?:\s*\n\s*\n\s*|\s*\Z)|[.!?]["”')\]]{0,3}\s+(?=["“(\[]?[A-Z0-9])"""
)
"""Runs of one character are looked through once: none begins within white space, and few quotation marks close a sentence."""
_ABBREVIATED = re.compile(
    r"(?:\b[A-Z]|\b(?:Inc|Ltd|Corp|Co|No|Nos|Mr|Mrs|Ms|Dr|St|vs|cf|etc|e\.g|i\.e|Sec|Art|Fig|al|U\.S))\.$",
    re.ASCII,
)


def sentences(text: str) -> list[Span]:
    """Spans of the sentences, without white space around them; a blank line ends one, too.

    Of an abbreviation that it does not know it makes an end.
    """
    found: list[Span] = []
    start = 0
    for end in _END.finditer(text):
        stop = end.start() + len(end[0].rstrip())
        if stop <= start:
            start = max(start, end.end())
            continue
        if end.end() < len(text) and "\n" not in end[0] and _ABBREVIATED.search(text, max(0, stop - 8), stop):
            continue
        begin = start + len(text[start:stop]) - len(text[start:stop].lstrip())
        if begin < stop:
            found.append((begin, stop))
        start = end.end()
    return found
