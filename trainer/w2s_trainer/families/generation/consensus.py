"""The consensus of sources that write: of their texts, the one that is nearest to all on average. Pure.

Minimum Bayes risk: the sources' texts are taken for a sample of what an expert might write, and that text is chosen whose
expected utility is highest under it (Eikema and Aziz 2020; Bertsch et al. 2023).
"""

from collections.abc import Callable, Mapping, Sequence

from w2s_trainer.families.generation.joined import Choice
from w2s_trainer.families.generation.scores import Score, chrf, token_f1

UTILITIES: Mapping[str, Score] = {"Chrf": chrf, "TokenF1": token_f1}
"""By the name of the metric."""


def consensus(utility: Score) -> Callable[[Sequence[str], Sequence[float]], Choice]:
    """The choice of the text of highest expected utility; ties go to the first.

    Its agreement is that utility: the mean of `utility(text, other)` over all texts, itself among them, by their weights.
    """

    def choose(texts: Sequence[str], weights: Sequence[float]) -> Choice:
        share: dict[str, float] = {}
        for text, weight in zip(texts, weights, strict=True):
            share[text] = share.get(text, 0.0) + weight / sum(weights)
        expected = {
            text: round(sum(part * utility(text, other) for other, part in share.items()), 12)
            for text in share
        }
        best = max(expected, key=expected.__getitem__)
        is_tie = sum(value == expected[best] for value in expected.values()) > 1
        return Choice(list(texts).index(best), expected[best], is_tie)

    return choose
