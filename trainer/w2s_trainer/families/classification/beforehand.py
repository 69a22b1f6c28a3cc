"""What is known of a teacher that decides between classes before a student is trained. Pure."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.families.intervals import Z, effective_size


def pool_facts(
    names: Sequence[str],
    targets: NDArray[np.float64],
    drawn: Sequence[NDArray[np.int64]],
    asked: NDArray[np.int64],
) -> dict[str, Any]:
    """What the teacher's labels of the pool are like beside those of the gold budget.

    Args:
        names: of the K classes.
        targets: float64[n, K], of the texts of the pool that it answers.
        drawn: of each seed the classes of the budget's texts that were drawn.
        asked: the classes of those that experts were asked about beside them.

    Returns:
        `confidence`, the mean probability of its likeliest class (None without answers); `shares`, the total variation
        between its class shares and those of the drawn budget; `classes`, of each the texts of the pool that it is the
        likeliest class of, and its gold labels, of the seed that has fewest.
    """
    counts = np.stack([np.bincount(gold, minlength=len(names)) for gold in drawn])
    wanted = (counts / np.maximum(1, counts.sum(axis=1, keepdims=True))).mean(axis=0)
    shares = targets.mean(axis=0) if len(targets) else wanted
    likeliest = (
        np.bincount(targets.argmax(axis=1), minlength=len(names)) if len(targets) else [0] * len(names)
    )
    labelled = counts.min(axis=0) + np.bincount(asked, minlength=len(names))
    return {
        "confidence": round(float(targets.max(axis=1).mean()), 6) if len(targets) else None,
        "shares": round(float(np.abs(shares - wanted).sum() / 2), 6),
        "classes": {
            name: {"pool": int(votes), "budget": int(gold)}
            for name, votes, gold in zip(names, likeliest, labelled, strict=True)
        },
    }


def teacher_facts(
    classes: int, gold: NDArray[np.int64], said: NDArray[np.int64], families: NDArray[np.int64]
) -> dict[str, float]:
    """How good the teacher is on the texts of a seed's budget that it answers.

    Args:
        classes: how many there are, K.
        gold: int64[n], of all drawn texts.
        said: int64[n], the class that it holds likeliest; -1 where it abstains.
        families: int64[n].

    Returns:
        `skill`, (accuracy − the commonest class's share) / (1 − that share), one right and one wrong answer added, and
        `doubt`, the standard error of that accuracy; `recall`, the mean recall of the classes that are there, each with two
        answers of somebody who guesses added, with its 95 % interval; `guess`, what who guesses has.
    """
    covered = said >= 0
    right, size = int((said[covered] == gold[covered]).sum()), int(covered.sum()) + 2
    accuracy = (right + 1) / size
    commonest = float(np.bincount(gold).max() / len(gold))
    facts = {
        "skill": (accuracy - commonest) / max(1 - commonest, 1e-6),
        "doubt": math.sqrt(accuracy * (1 - accuracy) / size),
    }
    there = np.unique(gold[covered])
    if len(there) < 2:
        return facts
    texts = np.bincount(gold[covered], minlength=classes)[there]
    found = np.bincount(gold[covered & (said == gold)], minlength=classes)[there]
    guess = 1 / len(there)
    recalls = (found + 2 * guess) / (texts + 2)
    variance = float((recalls * (1 - recalls) / (texts + 2)).sum()) / len(there) ** 2
    spread = Z * math.sqrt(variance * covered.sum() / effective_size(families[covered]))
    recall = float(recalls.mean())
    return {
        **facts,
        "guess": guess,
        "recall": recall,
        "recallLow": max(0.0, recall - spread),
        "recallHigh": min(1.0, recall + spread),
    }
