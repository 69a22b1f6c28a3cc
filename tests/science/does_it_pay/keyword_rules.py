"""Keyword rules by a fixed procedure, so that nobody tunes them by hand. Pure."""

import math
import re
from collections.abc import Sequence
from itertools import pairwise

WORDS_A_CLASS = 5
SHORTEST = 3


def keyword_rules(texts: Sequence[str], labels: Sequence[str]) -> list[tuple[str, str]]:
    """Words and pairs of words with the largest log-odds of standing in texts of a class, some for each class.

    Log-odds are of document frequencies, with half a text added to each count: log((a + ½)/(n − a + ½)) −
    log((b + ½)/(m − b + ½)) for a of the n texts of the class and b of the m others. A word stands in two texts of the
    class at least (in one, where the class has fewer than four), is of three letters or more, and has positive log-odds.
    Ties: the more texts of the class, then single words, then the alphabet. A word is no candidate where a pair that
    holds it was taken, and the other way round.

    Args:
        texts: n labelled texts.
        labels: their classes.

    Returns:
        (class, keyword), in the order of classes and log-odds.
    """
    held = [_terms(text) for text in texts]
    rules = []
    for name in sorted(set(labels)):
        mine = [terms for terms, label in zip(held, labels, strict=True) if label == name]
        others = [terms for terms, label in zip(held, labels, strict=True) if label != name]
        fewest = 2 if len(mine) >= 4 else 1
        ranked = []
        for term in set().union(*mine):
            a, b = sum(term in one for one in mine), sum(term in one for one in others)
            odds = _log_odds(a, len(mine)) - _log_odds(b, len(others))
            if a >= fewest and odds > 0:
                ranked.append((-odds, -a, " " in term, term))
        taken: list[str] = []
        for *_, term in sorted(ranked):
            if len(taken) < WORDS_A_CLASS and not any(_overlap(term, other) for other in taken):
                taken.append(term)
        rules += [(name, term) for term in taken]
    return rules


def _terms(text: str) -> set[str]:
    words = re.findall(r"[^\W\d_]+", text.lower())
    pairs = [f"{a} {b}" for a, b in pairwise(words)]
    return {term for term in (*words, *pairs) if all(len(word) >= SHORTEST for word in term.split())}


def _log_odds(there: int, of: int) -> float:
    return math.log((there + 0.5) / (of - there + 0.5))


def _overlap(left: str, right: str) -> bool:
    return bool(set(left.split()) & set(right.split()))
