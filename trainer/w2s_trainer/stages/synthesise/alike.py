"""Pairs that are unlike those before them: the ROUGE-L filter of Self-Instruct (Wang et al. 2022, arXiv 2212.10560), without
comparing each pair with all others. Pure.

Of two texts with a and b words whose ROUGE-L is at least t, the longest common subsequence has at least t·a / (2 - t) words.
So both have a word in common among their rarest, a - t·a / (2 - t) + 1 of a words (prefix filtering: Chaudhuri, Ganti and
Kaushik 2006).
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from math import ceil

from w2s_trainer.data.normal_form import folded, normalised
from w2s_trainer.data.scripts import words
from w2s_trainer.families.generation.scores import rouge_l
from w2s_trainer.stages.synthesise.pairs import Pair

_ROUNDING = 1e-9

Token = tuple[str, int]
"""A word and how often it was there before in its text."""


def unlike(pairs: Sequence[Pair], most_alike: float) -> list[bool]:
    """Which of n pairs stay: those whose question, answer and quotation are not each as like those of one that stays.

    Args:
        pairs: in the order in which they are preferred.
        most_alike: the ROUGE-L from which on two texts are alike, in (0, 1].
    """
    tokens = [_tokens(pair.quoted) for pair in pairs]
    common = Counter(token for some in tokens for token in some)
    by_token: defaultdict[Token, list[int]] = defaultdict(list)
    stays = []
    for place, (pair, some) in enumerate(zip(pairs, tokens, strict=True)):
        least = ceil(most_alike * len(some) / (2 - most_alike) - _ROUNDING)
        rarest = sorted(some, key=lambda token: (common[token], token))[: len(some) - least + 1]
        met = dict.fromkeys(other for token in rarest for other in by_token[token])
        stays.append(not any(_are_alike(pair, pairs[other], most_alike) for other in met))
        if stays[-1]:
            for token in rarest:
                by_token[token].append(place)
    return stays


def _are_alike(pair: Pair, other: Pair, most_alike: float) -> bool:
    texts = (
        (pair.quoted, other.quoted),
        (pair.question, other.question),
        (pair.answer, other.answer),
    )
    return all(rouge_l(*both) >= most_alike - _ROUNDING for both in texts)


def _tokens(text: str) -> list[Token]:
    seen: Counter[str] = Counter()
    tokens = []
    for word in words(folded(text)) or [normalised(text)]:
        tokens.append((word, seen[word]))
        seen[word] += 1
    return tokens
