"""Where written texts differ from the experts', whose errors are repeated, and which texts show it. Pure."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.data.normal_form import normalised
from w2s_trainer.families.generation.references import best, first, references
from w2s_trainer.families.generation.repetition import ends_in_loop, repeated_share
from w2s_trainer.families.generation.scores import token_f1
from w2s_trainer.families.gold_test import ArmAnswers, GoldTest

EXCERPTS = 20
CHARACTERS = 300


def differs(answers: NDArray[Any], gold: NDArray[Any]) -> NDArray[np.bool_]:
    """Where two texts are not equal in the normal form: bool[n] of str[n] and str[n]; of several gold texts, to any of them."""
    pairs = zip(answers, gold, strict=True)
    return np.array(
        [
            all(normalised(answer) != normalised(text) for text in references(texts))
            for answer, texts in pairs
        ],
        dtype=bool,
    )


def imitation(test: GoldTest, weak: ArmAnswers, candidate: ArmAnswers) -> dict[str, float | int | None]:
    """Measures how often the candidate writes what its teacher wrote, where that is the expert's text and where it is not."""
    right, wrong, n_right, n_wrong = [], [], [], []
    for seed in range(max(len(weak.values), len(candidate.values))):
        (teacher, silent), (answers, _) = weak.of_seed(seed), candidate.of_seed(seed)
        errs, repeats = differs(teacher, test.gold), ~differs(answers, teacher)
        is_right, is_wrong = ~silent & ~errs, ~silent & errs
        n_right.append(int(is_right.sum()))
        n_wrong.append(int(is_wrong.sum()))
        if is_right.any():
            right.append(float(repeats[is_right].mean()))
        if is_wrong.any():
            wrong.append(float(repeats[is_wrong].mean()))
    return {
        "agreesWhereWeakIsRight": round(float(np.mean(right)), 6) if right else None,
        "agreesWhereWeakIsWrong": round(float(np.mean(wrong)), 6) if wrong else None,
        "weakRight": round(float(np.mean(n_right))),
        "weakWrong": round(float(np.mean(n_wrong))),
    }


def shape(test: GoldTest, answers: ArmAnswers) -> dict[str, float | None]:
    """What an arm's texts are like, whatever they say: means over seeds.

    Returns:
        `empty`: the share of texts that are; `cutOff`: the share that was longer than it may be and is cut off there, None
        where nobody counted, as of labelers, which abstain there. Of texts that are not empty `lengthRatio`: characters for
        each one of the expert's; `repetition`: the share of runs of four words that were there before in the same text;
        `loops`: the share that end in one piece over and over.
    """
    written = [
        (text, gold)
        for of_seed in answers.values
        for text, gold in zip(of_seed, test.gold, strict=True)
        if text
    ]
    count = len(written) or 1
    return {
        "empty": round(1 - len(written) / answers.values.size, 6),
        "cutOff": None if answers.cut_off is None else round(float(answers.cut_off.mean()), 6),
        "lengthRatio": round(sum(len(text) / len(first(gold)) for text, gold in written) / count, 4),
        "repetition": round(sum(repeated_share(text) for text, _ in written) / count, 6),
        "loops": round(sum(ends_in_loop(text) for text, _ in written) / count, 6),
    }


def excerpts(
    test: GoldTest, weak: NDArray[Any], answers: NDArray[Any], text_of: Callable[[int], str]
) -> dict[str, Any] | None:
    """The texts of which most is wrong, side by side: those that the teacher had right first among equals.

    Args:
        test: n items.
        weak: the teacher's texts, str[n].
        answers: the candidate's, str[n].
        text_of: gives an excerpt of an item.

    Returns:
        {pairs: [{text, gold, alsoGold, weak, candidate}]}, `alsoGold` being further gold texts; None where nothing is wrong.
    """
    wrong = np.flatnonzero(differs(answers, test.gold))
    if not len(wrong):
        return None
    scores = {int(item): best(token_f1, answers[item], test.gold[item]) for item in wrong}
    teacher_errs = differs(weak, test.gold)
    order = sorted(scores, key=lambda item: (scores[item], bool(teacher_errs[item]), item))
    return {
        "pairs": [
            {
                "text": text_of(item),
                "gold": _cut(first(test.gold[item])),
                "alsoGold": [_cut(text) for text in references(test.gold[item])[1:]],
                "weak": _cut(weak[item]),
                "candidate": _cut(answers[item]),
            }
            for item in order[:EXCERPTS]
        ]
    }


def _cut(text: str) -> str:
    return text if len(text) <= CHARACTERS else text[:CHARACTERS] + " …"
