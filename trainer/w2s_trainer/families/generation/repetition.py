"""Texts that repeat themselves, as models do that have nothing more to say. Pure."""

from collections.abc import Sequence

from w2s_trainer.data.normal_form import normalised
from w2s_trainer.data.scripts import words

NGRAM = 4
LONGEST_LOOP = 200
"""Characters of the longest piece that is looked for at the end of a text."""
LOOPS = 4
"""A piece that stands so often at the end of a text is a loop."""
SHORTEST_TAIL = 40
"""Characters; what is shorter (`ha ha ha ha`, a row of dots) is no endless repetition."""


def repeated_share(text: str, length: int = NGRAM) -> float:
    """The share of word n-grams that were there before: 1 − different / all (seq-rep-n, Welleck et al. 2020).

    0 for a text of fewer words than one n-gram.
    """
    found = words(normalised(text))
    grams = [tuple(found[start : start + length]) for start in range(len(found) - length + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def ends_in_loop(text: str) -> bool:
    """Whether the text ends in one piece over and over, the last of them perhaps cut off."""
    form = normalised(text)
    longest = min(LONGEST_LOOP, len(form) // LOOPS)
    return any(
        _periodic_tail(form, period) >= max(SHORTEST_TAIL, LOOPS * period) for period in range(1, longest + 1)
    )


def length_ratio(text: str, reference: str) -> float:
    """Words of a text for each word of its reference; a text without words counts as one word."""
    return max(1, len(words(text))) / max(1, len(words(reference)))


def _periodic_tail(form: Sequence[str], period: int) -> int:
    """The length of the longest end of a text that repeats with a period."""
    length = period
    while length < len(form) and form[-length - 1] == form[-length - 1 + period]:
        length += 1
    return length
