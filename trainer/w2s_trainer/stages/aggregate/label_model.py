"""Aggregation `LabelModel`: rates of votes in each class, from how often the labelers vote together. Pure.

Ratner, Hancock, Dunnmon, Sala, Pandey and Ré 2019, "Training complex models with multi-task weak supervision", AAAI.
With L[i, l] = 1 where labeler i votes for class l, m = P(L[i, l] = 1 | class) and p the class shares, labelers that are
independent given the class have E[L Lᵀ] = m diag(p) mᵀ outside of each labeler's own block, and E[L] = m p. Both are
fitted by least squares (their equation 4 with the marginals as a second term). An abstention is the rest of a labeler's
rates, so that rules which vote for one class only are told from one another by how often they vote where others do.

A third term holds the rates near those of the beginning (theirs, too, in the released code), by PULL / n: moments of few
texts are noise, and rules that copy each other pull the fit away from the truth.
"""

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.aggregations import LabelModel
from w2s_trainer.stages.aggregate.ballots import by_votes, votes_of
from w2s_trainer.stages.aggregate.methods import Aggregated, Sources

BETTER = 0.7
"""How often a labeler is right where it votes, when the fit begins; it settles which class is which."""
PULL = 256.0
"""How strongly; a standard deviation of 1/16 for a rate, beside 1/√n for a moment. `tests/science/label_model_pull.py`."""
LEAST = 1e-6
"""The lowest rate, so that no vote excludes a class."""
STEPS = 2_000
TOLERANCE = 1e-12


def aggregate(settings: LabelModel, sources: Sources) -> Aggregated:
    """The posterior of each text; rates are fitted on the pool."""
    labels = list(sources.labels.values())
    given = {share.class_name: float(share.share) for share in settings.class_shares}
    shares = np.array([given.get(name, 1.0) for name in sources.classes])
    shares = np.maximum(shares, LEAST) / np.maximum(shares, LEAST).sum()
    votes = votes_of(labels)
    rates = fitted(votes[sources.pool], shares, PULL)
    return by_votes(votes, posterior(votes, rates, shares), sources.pool, list(sources.labels))


def moments(votes: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """How often each pair of votes is cast together: float64[S K, S K] of int64[n, S]; rates of votes on the diagonal."""
    cast = np.concatenate([(column[:, None] == np.arange(classes)) for column in votes.T], axis=1).astype(
        np.float64
    )
    return np.asarray(cast.T @ cast / max(1, len(votes)))


def fitted(votes: NDArray[np.int64], shares: NDArray[np.float64], pull: float) -> NDArray[np.float64]:
    """The rates P(labeler votes for a class | class), float64[S, K, K] (the last axis is the true class).

    Args:
        votes: int64[n, S], negative where a labeler abstains; S >= 3.
        shares: float64[K], of the classes.
        pull: how strongly rates are held near those of the beginning.
    """
    from scipy.optimize import minimize

    labelers, classes = votes.shape[1], len(shares)
    seen = moments(votes, classes)
    marginals = np.diag(seen)
    block = np.repeat(np.arange(labelers), classes)
    apart = (block[:, None] != block[None, :]).astype(np.float64)

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        rates = flat.reshape(-1, classes)
        pairs = apart * (rates * shares @ rates.T - seen)
        single = rates @ shares - marginals
        moved = rates - start
        gradient = 4 * (pairs @ rates) * shares + 2 * np.outer(single, shares) + 2 * held * moved
        return float((pairs**2).sum() + (single**2).sum() + held * (moved**2).sum()), gradient.ravel()

    start = _start(marginals.reshape(labelers, classes), shares).reshape(-1, classes)
    held = pull / max(1, len(votes))
    found = minimize(
        loss,
        start.ravel(),
        jac=True,
        method="L-BFGS-B",
        bounds=[(LEAST, 1 - LEAST)] * start.size,
        options={"maxiter": STEPS, "ftol": TOLERANCE, "gtol": 1e-9},
    )
    return np.asarray(found.x.reshape(labelers, classes, classes))


def _start(marginals: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rates float64[S, K, K] of labelers that are right BETTER of the time and vote as often as they do."""
    classes = len(shares)
    right = np.full((classes, classes), (1 - BETTER) / (classes - 1))
    np.fill_diagonal(right, BETTER)
    joint = marginals[:, :, None] * right  # [labeler, vote, class]
    return np.asarray(np.clip(joint / shares, LEAST, 1 - LEAST))


def posterior(
    votes: NDArray[np.int64], rates: NDArray[np.float64], shares: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The probability of each class, float64[n, K], in the light of votes int64[n, S]. Who abstains says nothing."""
    logs = np.tile(np.log(shares), (len(votes), 1))
    for labeler, of_labeler in enumerate(np.log(np.maximum(rates, LEAST))):
        given = votes[:, labeler] >= 0
        logs[given] += of_labeler[votes[given, labeler]]
    odds = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))
