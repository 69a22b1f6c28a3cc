"""Strings that become tokens: what a tokenizer learns more, from how often words occur. Pure.

A word is what a tokenizer cuts a text into before it looks its pieces up; pieces are tokens of its vocabulary.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import pairwise

Pair = tuple[str, str]


@dataclass(frozen=True)
class NewToken:
    """A string that becomes a token."""

    token: str
    pieces: tuple[str, ...]
    """The tokens of the vocabulary before that stood for it."""
    pair: Pair | None = None
    """Of byte pairs: the two tokens that are merged, which may be new ones."""


def merged_pairs(
    words: Mapping[Sequence[str], int],
    known: Collection[str],
    most: int,
    min_count: int,
    prefix: str = "",
) -> list[NewToken]:
    """Goes on with the training of a byte-pair encoding (Sennrich et al. 2016) from the tokens that it has.

    Each time the two neighbours that occur most often become one token, of equally frequent ones the first in the order of
    strings (Purason et al. 2025, arXiv 2512.03989: continued training). Merges that come last change no word in which the pair
    does not stand.

    Args:
        words: how often each word occurs, by its pieces.
        known: strings that are tokens already, and no new ones.
        most: how many tokens.
        min_count: of a pair, to be merged.
        prefix: what pieces begin with that continue a word, which is left out where they are merged.

    Returns:
        New tokens, in the order in which they are merged.
    """
    cut = {number: list(pieces) for number, pieces in enumerate(words)}
    count = dict(enumerate(words.values()))
    pairs: Counter[Pair] = Counter()
    where: dict[Pair, set[int]] = defaultdict(set)

    touched: set[Pair] = set()

    def note(number: int, sign: int) -> None:
        for pair in pairwise(cut[number]):
            pairs[pair] += sign * count[number]
            where[pair].add(number)
            touched.add(pair)

    for number in cut:
        note(number, 1)
    taken, made = set(known), list[NewToken]()
    heap: list[tuple[int, Pair]] = []
    parts: dict[str, tuple[str, ...]] = {}
    while len(made) < most:
        for pair in touched:
            if pairs[pair] >= min_count:
                heappush(heap, (-pairs[pair], pair))
        touched.clear()
        while heap and (-heap[0][0] != pairs[heap[0][1]] or _joined(heap[0][1], prefix) in taken):
            heappop(heap)  # it was counted before it was changed, or is a token by other pieces
        if not heap:
            break
        best = heappop(heap)[1]
        token = _joined(best, prefix)
        parts[token] = tuple(piece for half in best for piece in parts.get(half, (half,)))
        made.append(NewToken(token, parts[token], best))
        taken.add(token)
        for number in sorted(where.pop(best)):
            note(number, -1)
            cut[number] = _replaced(cut[number], best, token)
            note(number, 1)
    return made


def whole_words(
    words: Mapping[str, tuple[Sequence[str], int]], known: Collection[str], most: int, min_count: int
) -> list[NewToken]:
    """The words that save most tokens, (pieces − 1) · count; of equal ones the first in the order of strings.

    For a vocabulary of which the longest piece is taken that a word begins with (WordPiece), where a word that is added
    whole stands for itself.

    Args:
        words: of each word its pieces and how often it occurs.
        known: strings that are tokens already.
        most: how many tokens.
        min_count: of a word.
    """
    saved = {
        word: (len(pieces) - 1) * times
        for word, (pieces, times) in words.items()
        if times >= min_count and len(pieces) > 1 and word not in known
    }
    best = sorted(saved, key=lambda word: (-saved[word], word))[:most]
    return [NewToken(word, tuple(words[word][0])) for word in best]


def _joined(pair: Pair, prefix: str) -> str:
    first, second = pair
    return first + (second.removeprefix(prefix) if prefix else second)


def _replaced(pieces: Sequence[str], pair: Pair, token: str) -> list[str]:
    made: list[str] = []
    place = 0
    while place < len(pieces):
        if tuple(pieces[place : place + 2]) == pair:
            made.append(token)
            place += 2
        else:
            made.append(pieces[place])
            place += 1
    return made
