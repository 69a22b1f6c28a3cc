"""Selection `Trust`: where weak labels are right, learnt from the gold budget (after trust functions, arXiv 2606.01000, which
reads the teacher's own hidden state where this reads the strong model's features)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.selection_steps import Trust
from w2s_trainer.models.head import Head, centred, cross_validated_l2, fit, folds_of
from w2s_trainer.stages.label.shots import shown_of
from w2s_trainer.stages.select.methods import Candidates, Kept
from w2s_trainer.stages.select.ordered import Ordered, as_they_come, order_of
from w2s_trainer.stages.select.ranking import best_per_class, counts, weighed

LEAST_LABELS = 16
LEAST_OF_EACH = 4
"""Right and wrong weak labels on the budget, below which nothing is learnt."""
LEAST = 0.05
"""What a text counts beside one whose label is surely right, at the least."""
_CHUNK = 65_536


@dataclass(frozen=True)
class Judged:
    """Texts of the budget on which a weak label was compared with the expert's, m of them, by a hash of their ids."""

    rows: NDArray[np.int64]
    """int64[m], indices of examples."""
    right: NDArray[np.bool_]
    """bool[m]."""
    families: NDArray[np.int64]
    """int64[m]."""


@dataclass(frozen=True)
class Trusted:
    """A model of where weak labels are right, and what it said of texts that it had not seen."""

    head: Head
    """Of two classes: wrong, right."""
    l2: float
    losses: NDArray[np.float64]
    """float64[m], log loss of each text, its family held out."""
    base_losses: NDArray[np.float64]
    """float64[m], those of saying the share of right labels, whatever the text, on the same division."""

    @property
    def gain(self) -> float:
        """How much smaller its mean log loss is."""
        return float((self.base_losses - self.losses).mean())

    @property
    def error(self) -> float:
        """The standard error of the gain."""
        return float((self.base_losses - self.losses).std(ddof=1) / np.sqrt(len(self.losses)))


def select(settings: Trust, candidates: Candidates) -> Kept:
    """Keeps the texts of each class whose label is most probably right; all, if the budget cannot teach that."""
    texts = Ordered.of(candidates)
    judged = judge(candidates)
    figures: dict[str, object] = {"judged": len(judged.rows), "right": int(judged.right.sum())}
    every = np.ones(len(texts.labels), dtype=bool)
    if doubt := cannot_teach(judged):
        return texts.kept(every, texts.weights, figures, (_kept_all(doubt),))
    features = texts.features()
    mean = features.mean(axis=0, dtype=np.float64)
    labels = candidates.labels.targets[judged.rows].argmax(axis=1)
    inputs = inputs_of(candidates.sights.features[judged.rows], labels, mean, len(texts.names))
    trusted = learn(inputs, judged, settings.folds, max(candidates.seed, 0))
    figures |= {
        "l2": trusted.l2,
        "heldOutLogLoss": round(float(trusted.losses.mean()), 6),
        "baseLogLoss": round(float(trusted.base_losses.mean()), 6),
        "standardError": round(trusted.error, 6),
    }
    if trusted.gain <= trusted.error:
        doubt = (
            f"on labels held out its log loss was {trusted.losses.mean():.3f}, and that of saying the same of every text"
            f" {trusted.base_losses.mean():.3f}: not better by more than the standard error of {trusted.error:.3f}"
        )
        return texts.kept(every, texts.weights, figures, (_kept_all(doubt),))
    trust = np.empty(len(every))
    for start in range(0, len(every), _CHUNK):
        part = slice(start, start + _CHUNK)
        read = inputs_of(features[part], texts.labels[part], mean, len(texts.names))
        trust[part] = trusted.head.probabilities(read)[:, 1]
    kept = best_per_class(texts.labels, trust, float(settings.keep_fraction_per_class))
    weights = weighed(texts.weights, np.maximum(trust, LEAST), kept) if settings.weigh else texts.weights
    figures |= {
        "trust": {"kept": _mean(trust[kept]), "dropped": _mean(trust[~kept])},
        "dropped": counts(texts.names, texts.labels[~kept]),
    }
    return texts.kept(kept, weights, figures)


def judge(candidates: Candidates) -> Judged:
    """Compares weak labels with the seed's gold budget. What a labeler was shown, and where none answers, tells nothing."""
    budget, gold = candidates.budget, candidates.gold
    rows = budget[~candidates.labels.abstain[budget]]
    for labeler in candidates.context.spec.weak.labelers:
        rows = np.setdiff1d(rows, shown_of(labeler.settings, budget, budget, gold, candidates.seed))
    rows = rows[order_of(candidates.examples.ids.take(rows))]
    right = candidates.labels.targets[rows].argmax(axis=1) == gold[rows]
    return Judged(rows, right, as_they_come(candidates.examples.families[rows]))


def cannot_teach(judged: Judged) -> str:
    """Why nothing can be learnt from a budget, a clause; empty where something may be."""
    total, right = len(judged.rows), int(judged.right.sum())
    if total < LEAST_LABELS:
        return (
            f"the gold budget has {total} texts with a weak label of which no labeler was shown the answer; it takes"
            f" {LEAST_LABELS}"
        )
    if min(right, total - right) < LEAST_OF_EACH:
        return (
            f"{right} of {total} weak labels on the gold budget are right; it takes {LEAST_OF_EACH} that are right and as many"
            " that are wrong"
        )
    if len(np.unique(judged.families)) < 2:
        return f"the {total} texts of the gold budget are one family, so that none can be held out"
    return ""


def inputs_of(
    features: NDArray[np.floating], labels: NDArray[np.int64], mean: NDArray[np.float64], classes: int
) -> NDArray[np.float64]:
    """What the model reads of a text: where it is, of unit length, and its weak label, as long: float64[n, d + K]."""
    return np.hstack([centred(features, mean), np.eye(classes)[labels]])


def learn(inputs: NDArray[np.float64], judged: Judged, folds: int, seed: int) -> Trusted:
    """A model of where weak labels are right, its strength chosen by families held out.

    Args:
        inputs: float64[m, d + K].
        judged: the m texts, some right and some wrong.
        folds: into which the families are dealt, at most.
        seed: deals them.
    """
    truth, right = np.eye(2)[judged.right.astype(np.int64)], judged.right.astype(np.int64)
    l2 = cross_validated_l2(inputs, right, judged.families, seed=seed, folds=folds)
    fold = folds_of(judged.families, seed, folds)
    losses, base_losses = np.empty(len(right)), np.empty(len(right))
    for number in np.unique(fold):
        inside, outside = fold != number, fold == number
        head = fit(inputs[inside], truth[inside], np.ones(inside.sum()), l2)
        losses[outside] = _log_loss(head.probabilities(inputs[outside])[:, 1], judged.right[outside])
        base = (judged.right[inside].sum() + 1) / (inside.sum() + 2)
        base_losses[outside] = _log_loss(np.full(outside.sum(), base), judged.right[outside])
    return Trusted(fit(inputs, truth, np.ones(len(right)), l2), l2, losses, base_losses)


def _log_loss(p: NDArray[np.float64], right: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.asarray(-np.log(np.maximum(np.where(right, p, 1 - p), 1e-12)))


def _kept_all(doubt: str) -> str:
    return f"Trust kept every text: {doubt}."


def _mean(values: NDArray[np.float64]) -> float | None:
    return round(float(values.mean()), 6) if len(values) else None
