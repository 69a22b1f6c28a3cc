"""The vote of sources that write: texts that are equal in the form of comparison are one answer. Pure."""

from collections.abc import Sequence

from w2s_trainer.data.normal_form import normalised
from w2s_trainer.families.generation.joined import Choice


def majority(texts: Sequence[str], weights: Sequence[float]) -> Choice:
    """The answer with the most votes, in the spelling with the most votes; ties go to the first.

    Its agreement is its share of all votes.
    """
    answers: dict[str, float] = {}
    spellings: dict[str, dict[str, float]] = {}
    for text, weight in zip(texts, weights, strict=True):
        form = normalised(text)
        answers[form] = answers.get(form, 0.0) + weight
        spelled = spellings.setdefault(form, {})
        spelled[text] = spelled.get(text, 0.0) + weight
    winner = max(answers, key=answers.__getitem__)
    spelling = max(spellings[winner], key=spellings[winner].__getitem__)
    return Choice(list(texts).index(spelling), answers[winner] / sum(weights))
