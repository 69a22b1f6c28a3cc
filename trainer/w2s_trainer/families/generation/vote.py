"""The vote of sources that write: texts that are equal in the form of comparison are one answer. Pure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.data.normal_form import normalised
from w2s_trainer.families.generation.joined import Choice, joined


def elect(
    targets: Sequence[NDArray[np.object_]], weights: NDArray[np.float64]
) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
    """The texts with the most votes, str[n], empty where nobody votes, and where another has as many, bool[n].

    Args:
        targets: str[n] of each of S sources.
        weights: float64[S, n], not negative.
    """
    elected = joined(np.stack(targets, axis=1), weights.T, majority)
    return elected.texts, elected.is_tie


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
    is_tie = sum(votes == answers[winner] for votes in answers.values()) > 1
    return Choice(list(texts).index(spelling), answers[winner] / sum(weights), is_tie)
