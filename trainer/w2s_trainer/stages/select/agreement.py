"""Selection `Agreement`: the texts on which the labelers agree."""

from collections.abc import Callable
from math import fsum

import numpy as np

from w2s_api.methods.selection_steps import Agreement
from w2s_trainer.families.generation.scores import exact_match, score_of
from w2s_trainer.stages.select.methods import Candidates, Kept

_ROUNDING = 1e-9


def select(settings: Agreement, candidates: Candidates) -> Kept:
    """Keeps texts with which enough of the labelers that answer agree."""
    alike = agreeing(settings)
    answers = np.zeros(len(candidates.rows))
    agree = np.zeros(len(candidates.rows))
    for number, opinion in enumerate(candidates.opinions.values()):
        candidates.context.progress("comparing the labelers' texts", number, len(candidates.opinions))
        for place in np.flatnonzero(~opinion.abstain[candidates.rows]).tolist():
            answers[place] += 1
            agree[place] += alike(opinion.targets[candidates.rows[place]], candidates.targets[place])
    candidates.context.progress(
        "comparing the labelers' texts", len(candidates.opinions), len(candidates.opinions)
    )
    shares = agree / np.maximum(answers, 1)
    few = answers < settings.least_answers
    disagree = ~few & (shares < float(settings.at_least) - _ROUNDING)
    kept = ~few & ~disagree
    figures = {
        "meanAnswers": round(float(answers.mean()), 6),
        "meanAgreement": round(fsum(shares) / len(shares), 6),
        "dropped": {"fewAnswers": int(few.sum()), "disagree": int(disagree.sum())},
    }
    return Kept(np.flatnonzero(kept), candidates.weights[kept], figures)


def agreeing(settings: Agreement) -> Callable[[str, str], bool]:
    """When a labeler's text agrees with the aggregated one."""
    if settings.by == "Equal":
        return lambda text, weak: exact_match(text, weak) == 1
    score, least = score_of(settings.by), float(settings.least_similarity) - _ROUNDING
    return lambda text, weak: score(text, weak) >= least
