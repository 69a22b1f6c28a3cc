"""Selection `Correction`: weak labels are changed where heads of disjoint folds agree against them, the nearest gold texts do,
or both.

How sure is sure is confident learning's threshold (Northcutt et al. 2021, eq. 2). The mixture of the old label and the new
one is that of bootstrapping (Reed et al. 2014, arXiv 1412.6596).
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.selection_steps import Correction
from w2s_trainer.stages.select.confident_learning import confident_guess, thresholds
from w2s_trainer.stages.select.disjoint import Heard, dealt, hear
from w2s_trainer.stages.select.flips import Flips, flips
from w2s_trainer.stages.select.methods import Candidates, Corrected, Kept
from w2s_trainer.stages.select.nearest_gold import nearest_gold
from w2s_trainer.stages.select.ordered import Ordered, as_they_come
from w2s_trainer.stages.select.ranking import without_the_worst
from w2s_trainer.stages.select.trust import judge

NONE = -1
"""No class is proposed."""
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Evidence:
    """What is known of n texts of the pool, then of m of the budget, beside their weak labels."""

    labels: NDArray[np.int64]
    """int64[n + m], the likeliest class of the weak label."""
    learnt: int
    """n."""
    heard: Heard
    gold: NDArray[np.float64]
    """float64[n + m, K], the share of each class among the nearest gold texts of other families."""


def select(settings: Correction, candidates: Candidates) -> Kept:
    """Keeps every text, and changes labels; none, where net flips on the budget are asked for and there are not any."""
    texts, judged = Ordered.of(candidates), judge(candidates)
    evidence, n = gather(settings, candidates, texts, judged.rows), len(texts.labels)
    proposed, score = proposals(evidence, settings.evidence, float(settings.least_agreement))
    after = changed(evidence, proposed, score, float(settings.most_changed_per_class))
    found = flips(evidence.labels[n:], after[n:], candidates.gold[judged.rows], judged.families)
    doubt = against(found)
    withheld = bool(doubt) and settings.proven_on_budget
    places = np.flatnonzero(after[:n] != evidence.labels[:n])
    figures: dict[str, Any] = {
        "proposed": moves(texts.names, evidence.labels[:n], after[:n]),
        "budget": found.to_json(),
        "changed": 0 if withheld else len(places),
    }
    said = "changed no label" if withheld else "changed labels, and nothing shows that it helps"
    return Kept(
        np.arange(n),
        candidates.weights,
        figures,
        (f"Correction {said}: {doubt}.",) if doubt else (),
        corrections=() if withheld else _corrections(settings, texts, evidence, after, places),
    )


def gather(
    settings: Correction, candidates: Candidates, texts: Ordered, judged: NDArray[np.int64]
) -> Evidence:
    """Fits the heads and looks gold texts up, for the candidates and the judged texts of the budget.

    Args:
        settings: of the step.
        candidates: of the step.
        texts: them, in order.
        judged: rows of the budget that have a weak label, int64[m].
    """
    features = np.concatenate([texts.features(), candidates.sights.features[judged]])
    n, taught = len(texts.labels), candidates.taught
    rows = np.concatenate([candidates.rows[texts.places], judged])
    families = candidates.examples.families
    heard = hear(
        features,
        texts.targets,
        texts.weights,
        dealt(as_they_come(families[rows]), n, settings.folds),
        float(candidates.context.spec.strong.tuning.head_settings.l2),
        progress=partial(candidates.context.progress, "fitting heads on disjoint folds"),
    )
    mean = features[:n].mean(axis=0, dtype=np.float64).astype(np.float32)
    gold = nearest_gold(
        _unit(features, mean),
        families[rows],
        _unit(candidates.sights.features[taught], mean),
        families[taught],
        candidates.gold[taught],
        len(texts.names),
        settings.neighbours,
    )
    labels = np.concatenate([texts.labels, candidates.labels.targets[judged].argmax(axis=1)])
    return Evidence(labels, n, heard, gold)


def proposals(
    evidence: Evidence, kind: str, least_agreement: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Which class the evidence is for, and how much of it there is for each.

    Args:
        evidence: of the texts.
        kind: the step's `evidence`.
        least_agreement: the share of the heads that must find the class likeliest.

    Returns:
        int64[n + m], -1 where it is for none; float64[n + m, K].
    """
    heard, n = evidence.heard, evidence.learnt
    students = confident_guess(heard.mean, thresholds(heard.mean[:n], evidence.labels[:n]))
    agreed = heard.share(np.maximum(students, 0)) >= least_agreement - _ROUNDING
    students = np.where((students != NONE) & agreed, students, NONE)
    gold = np.where(evidence.gold.max(axis=1) > 0.5, evidence.gold.argmax(axis=1), NONE)
    match kind:
        case "Students":
            return students, heard.mean
        case "NearestGold":
            return gold, evidence.gold
        case "Both":
            return np.where(students == gold, students, NONE), heard.mean + evidence.gold
    either = np.where(students == NONE, gold, students)
    contested = (students != NONE) & (gold != NONE) & (students != gold)
    return np.where(contested, NONE, either), heard.mean + evidence.gold


def changed(
    evidence: Evidence, proposed: NDArray[np.int64], support: NDArray[np.float64], most: float
) -> NDArray[np.int64]:
    """Labels after the correction, int64[n + m].

    Of each label of the pool at most a share is changed, those first whose new class has most more support than the old one. A
    text of the budget is changed where it has as much more as the last of these.

    Args:
        evidence: of the texts.
        proposed: int64[n + m], classes; -1: none.
        support: float64[n + m, K].
        most: the share of each label.
    """
    labels, n = evidence.labels, evidence.learnt
    wrong = (proposed != NONE) & (proposed != labels)
    at = np.arange(len(labels))
    margin = np.round(support[at, labels] - support[at, np.maximum(proposed, 0)], 6)
    kept = without_the_worst(labels[:n], margin[:n], wrong[:n], most)
    for label in np.unique(labels[:n]):
        left = wrong[:n] & kept & (labels[:n] == label)
        if left.any():
            wrong[n:] &= (labels[n:] != label) | (margin[n:] < margin[:n][left].min())
    wrong[:n] &= ~kept
    return np.where(wrong, proposed, labels)


def against(found: Flips) -> str:
    """What speaks against changing labels of the pool, a clause; empty where nothing does."""
    if not found.labels:
        return "no text of the gold budget has a weak label that could be compared"
    if found.wrong_to_right > found.right_to_wrong:
        return ""
    return (
        f"of {found.labels} labels of the gold budget the same rule sets {found.wrong_to_right} right and"
        f" {found.right_to_wrong} wrong"
    )


def mixed(target: NDArray[np.float64], label: int, share: float) -> NDArray[np.float64]:
    """A share of the new class and the rest of the old label, float64[K]; rounded to float32, as the record keeps it."""
    new = (1 - share) * target + share * np.eye(len(target))[label]
    return np.asarray(new.astype(np.float32), dtype=np.float64)


def moves(names: list[str], before: NDArray[np.int64], after: NDArray[np.int64]) -> dict[str, dict[str, int]]:
    """How many labels of each class became which other, where any did."""
    found: dict[str, dict[str, int]] = {}
    for place in np.flatnonzero(before != after).tolist():
        row = found.setdefault(names[before[place]], {})
        row[names[after[place]]] = row.get(names[after[place]], 0) + 1
    return {
        name: {to: found[name][to] for to in names if to in found[name]} for name in names if name in found
    }


def _corrections(
    settings: Correction,
    texts: Ordered,
    evidence: Evidence,
    after: NDArray[np.int64],
    places: NDArray[np.int64],
) -> list[Corrected]:
    share, names = evidence.heard.share(after), texts.names
    return [
        Corrected(
            int(texts.places[at]),
            names[evidence.labels[at]],
            names[after[at]],
            mixed(texts.targets[at], int(after[at]), float(settings.mixture)),
            float(share[at]),
            float(evidence.heard.mean[at, after[at]]),
            float(evidence.gold[at, after[at]]),
        )
        for at in places.tolist()
    ]


def _unit(features: NDArray[np.float32], mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """Centres rows and brings them to unit length, in their place."""
    features -= mean
    features /= np.maximum(np.sqrt(np.einsum("ij,ij->i", features, features)), 1e-12)[:, None]
    return features
