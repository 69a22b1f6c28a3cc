"""How good an answer is by a reference: one number from 0 to 1 for each pair of texts, 1 for the same text. Pure.

Pairs are remembered: each arm, metric and part of the test asks for many of them again.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache

from sacrebleu.metrics.chrf import CHRF

from w2s_trainer.data.normal_form import folded, normalised
from w2s_trainer.data.scripts import words

Score = Callable[[str, str], float]
"""A number from 0 to 1 for an answer and a reference, in this order."""

_REMEMBERED = 2**18
_CHRF = CHRF()


def exact_match(answer: str, reference: str) -> float:
    """1 if both are one text in the form in which texts are compared (`data.normal_form`), else 0."""
    return float(normalised(answer) == normalised(reference))


@lru_cache(_REMEMBERED)
def token_f1(answer: str, reference: str) -> float:
    """F1 of the answer's words as a bag (Rajpurkar et al. 2016, without SQuAD's rules for English articles).

    Texts without any word are compared as they are.
    """
    mine, wanted = _words(answer), _words(reference)
    if not mine or not wanted:
        return exact_match(answer, reference)
    common = (Counter(mine) & Counter(wanted)).total()
    return 2 * common / (len(mine) + len(wanted))


@lru_cache(_REMEMBERED)
def rouge_l(answer: str, reference: str) -> float:
    """F1 of the longest common subsequence of words (Lin 2004, ROUGE-L of a sentence, β = 1, no stemming).

    On texts of ASCII it is that of the package rouge-score; that one sees no other letters at all. Texts without any
    word are compared as they are.
    """
    mine, wanted = _words(answer), _words(reference)
    if not mine or not wanted:
        return exact_match(answer, reference)
    return 2 * longest_common_subsequence(mine, wanted) / (len(mine) + len(wanted))


@lru_cache(_REMEMBERED)
def chrf(answer: str, reference: str) -> float:
    """chrF of the texts as they are (Popović 2015): F2 of their n-grams of 1 to 6 characters, by sacreBLEU, over 100."""
    score = float(_CHRF.sentence_score(answer, [reference]).score) / 100
    return min(1.0, score)  # 1.0000000000000002 for some equal texts


_BY_METRIC: dict[str, Score] = {
    "ExactMatch": exact_match,
    "TokenF1": token_f1,
    "RougeL": rouge_l,
    "Chrf": chrf,
}


def score_of(metric: str) -> Score:
    """The score of one text whose mean over the test a metric is (`w2s_api.metrics`)."""
    return _BY_METRIC[metric]


def longest_common_subsequence(mine: Sequence[str], other: Sequence[str]) -> int:
    """Its length, by one bit of a large integer for each of `mine` (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for place, word in enumerate(mine):
        places[word] = places.get(word, 0) | 1 << place
    every = unmatched = (1 << len(mine)) - 1
    for word in other:
        matches = unmatched & places.get(word, 0)
        unmatched = ((unmatched + matches) | (unmatched - matches)) & every
    return len(mine) - unmatched.bit_count()


@lru_cache(2**14)
def _words(text: str) -> tuple[str, ...]:
    return tuple(words(folded(text)))
