"""Selection `StudentLoss`: wrong labels told from hard texts by how heads on halves of the pool answer (after Swayamdipta et
al. 2020, "Dataset cartography", with margins as in Pleiss et al. 2020)."""

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.selection_steps import StudentLoss
from w2s_trainer.stages.select.held_out import held_out_probabilities
from w2s_trainer.stages.select.methods import Candidates, Kept
from w2s_trainer.stages.select.ordered import Ordered
from w2s_trainer.stages.select.ranking import counts, margins, weighed, without_the_worst

HALVES = 2
LEAST_SHARE = 0.1
"""Of an even share of the texts, what a class is taken to have at the least."""


def select(settings: StudentLoss, candidates: Candidates) -> Kept:
    """Drops what is wrong in every round, at most a share of each class; what is hard may count less."""
    texts = Ordered.of(candidates)
    l2 = float(candidates.context.spec.strong.tuning.head_settings.l2)
    features, labels, names = texts.features(), texts.labels, texts.names
    found = np.empty((settings.rounds, len(labels)))
    for number in range(settings.rounds):
        candidates.context.progress("fitting heads on halves", number, settings.rounds)
        said = held_out_probabilities(
            features, texts.targets, texts.weights, texts.families, l2, folds=HALVES, seed=number
        )
        found[number] = margins(of_even_classes(said, labels), labels)
    candidates.context.progress("fitting heads on halves", settings.rounds, settings.rounds)
    mean, spread = found.mean(axis=0), found.std(axis=0, ddof=1)
    wrong, hard = regions(mean, spread)
    kept = without_the_worst(labels, mean + spread, wrong, float(settings.most_dropped_per_class))
    factors = np.where(hard, float(settings.hard_weight), 1.0)
    weights = texts.weights if settings.hard_weight == "1" else weighed(texts.weights, factors, kept)
    figures = {
        "margin": {"kept": _mean(mean[kept]), "dropped": _mean(mean[~kept])},
        "spread": {"kept": _mean(spread[kept]), "dropped": _mean(spread[~kept])},
        "hard": counts(names, labels[hard]),
        "found": counts(names, labels[wrong]),
        "dropped": counts(names, labels[~kept]),
    }
    return texts.kept(kept, weights, figures)


def of_even_classes(
    probabilities: NDArray[np.float64],
    labels: NDArray[np.int64],
    means: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Divides probabilities by their means, so that each class is as likely as the others over all texts.

    A head seldom says a class that is rare in its labels, whether they are right or not. A class of next to no texts is
    raised less, or it would be seen everywhere, and one without any is nowhere.

    Args:
        probabilities: float64[n, K].
        labels: int64[m]: which classes there are.
        means: float64[K], what is divided by; None: the means of the probabilities.

    Returns:
        float64[n, K], rows sum to 1.
    """
    means = probabilities.mean(axis=0) if means is None else means
    classes = probabilities.shape[1]
    there = np.bincount(labels, minlength=classes) > 0
    odds = there * probabilities / np.maximum(means, LEAST_SHARE / classes)
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def regions(
    mean: NDArray[np.float64], spread: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which labels are wrong and which texts are hard, bool[n] each.

    Args:
        mean: float64[n], of a text's margins over the rounds: the probability of its label less that of the likeliest other.
        spread: float64[n], their standard deviation. A margin below 0 by more than that is a wrong label; one that is no
            further than that from 0 is a hard text.
    """
    return mean + spread < 0, np.abs(mean) <= spread


def _mean(values: NDArray[np.float64]) -> float | None:
    return round(float(values.mean()), 6) if len(values) else None
