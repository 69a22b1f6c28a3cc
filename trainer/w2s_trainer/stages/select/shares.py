"""Selection `Shares`: class shares as they should be, by weights or by dropping."""

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.selection_steps import Shares
from w2s_trainer.errors import BadSpec
from w2s_trainer.stages.select.methods import Candidates, Kept
from w2s_trainer.stages.select.ordered import Ordered
from w2s_trainer.stages.select.ranking import counts


def select(settings: Shares, candidates: Candidates) -> Kept:
    """Brings class shares to those that are wanted; of classes without candidates there is nothing to bring.

    Raises:
        BadSpec: declared shares are more than 1 together.
    """
    texts = Ordered.of(candidates)
    labels, weights, names = texts.labels, texts.weights, texts.names
    now = np.bincount(labels, weights, minlength=len(names))
    wanted = _wanted(settings, candidates, names, now / now.sum())
    there = now > 0
    wanted = np.where(there, wanted, 0.0) / wanted[there].sum()
    if settings.by == "Weights":
        factors = np.divide(wanted * now.sum(), now, out=np.zeros(len(now)), where=there)
        kept, weights = np.ones(len(labels), dtype=bool), weights * factors[labels]
    else:
        kept = of_shares(labels, wanted)
    after = np.bincount(labels[kept], weights[kept], minlength=len(names))
    figures = {
        "wanted": _by_name(names, wanted),
        "sharesBefore": _by_name(names, now / now.sum()),
        "sharesAfter": _by_name(names, after / after.sum()),
        "dropped": counts(names, labels[~kept]),
    }
    return texts.kept(kept, weights, figures)


def of_shares(labels: NDArray[np.int64], wanted: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Keeps as many texts as can be had in these shares, the first of each class.

    Args:
        labels: int64[n].
        wanted: float64[K], sums to 1; above 0 for every class that has texts.

    Returns:
        bool[n]; of each class at least one.
    """
    there = np.bincount(labels, minlength=len(wanted))
    most = float(np.min(there[there > 0] / wanted[there > 0]))
    kept = np.zeros(len(labels), dtype=bool)
    for label in np.flatnonzero(there).tolist():
        count = max(1, int(np.floor(most * wanted[label] + 0.5)))
        kept[np.flatnonzero(labels == label)[:count]] = True
    return kept


def declared(given: dict[int, float], now: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares of all classes, where some are declared; the others divide the rest as they do now.

    Args:
        given: shares by class, each above 0.
        now: float64[K], present shares.

    Returns:
        float64[K], which sums to 1 unless no other class is there to take the rest.
    """
    wanted = now.copy()
    wanted[list(given)] = 0.0
    rest = 1.0 - sum(given.values())
    wanted *= rest / wanted.sum() if wanted.sum() else 0.0
    for label, share in given.items():
        wanted[label] = share
    return wanted


def _wanted(
    settings: Shares, candidates: Candidates, names: list[str], now: NDArray[np.float64]
) -> NDArray[np.float64]:
    classes = len(names)
    if settings.like == "GoldBudget":
        found = np.bincount(candidates.gold[candidates.budget].astype(np.int64), minlength=classes) + 1.0
        return np.asarray(found / found.sum())
    if settings.like == "BeforeSelection":
        pool = candidates.examples.rows("pool")
        labelled = pool[~candidates.labels.abstain[pool]]
        before = np.bincount(candidates.labels.targets[labelled].argmax(axis=1), minlength=classes)
        return np.asarray(before / before.sum())
    given = {names.index(one.class_name): float(one.share) for one in settings.shares}
    total = sum(given.values())
    if total > 1 + 1e-9 or (total > 1 - 1e-9 and len(given) < classes):
        raise BadSpec(
            "SharesAboveOne",
            f"spec.selection: the declared shares are {total:.6g} together, which leaves nothing for other classes."
            if len(given) < classes
            else f"spec.selection: the declared shares are {total:.6g} together.",
            "Let them be below 1 together, or 1 where every class is named.",
        )
    return declared(given, now)


def _by_name(names: list[str], shares: NDArray[np.float64]) -> dict[str, float]:
    return {name: round(float(share), 6) for name, share in zip(names, shares, strict=True)}
