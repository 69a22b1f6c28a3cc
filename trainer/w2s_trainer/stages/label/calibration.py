"""Calibration `Temperature`: one number that makes a labeler as sure as it is right (Guo et al. 2017)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.contract.context import StageContext
from w2s_trainer.errors import BadSpec
from w2s_trainer.stages.label.opinion import Opinion, drawn_budget
from w2s_trainer.stages.tables import Examples, of_seed, read_gold

LOWEST, HIGHEST = 0.05, 20.0


def calibrated(
    context: StageContext,
    examples: Examples,
    raw: Mapping[int, Opinion],
    asked: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> tuple[dict[int, Opinion], dict[int, float]]:
    """Brings opinions to the temperature that fits the gold budget of each seed.

    Gold labels that the labeler was shown, and texts on which it abstains, tell nothing and are left out.

    Args:
        context: the stage's.
        examples: N texts.
        raw: opinions by seed, on `asked`.
        asked: rows, ascending, the budget among them.
        rows: those of them to return.

    Returns:
        Opinions on `rows` and temperatures, by seed.
    """
    gold = read_gold(context.artifact("gold"), "budget", examples, context.scratch)
    returned = np.searchsorted(asked, rows)
    opinions, temperatures = {}, {}
    for seed in range(context.spec.evaluation.seeds):
        opinion: Opinion = of_seed(raw, seed)
        drawn = np.setdiff1d(drawn_budget(context, examples, gold, seed), opinion.shown)
        places = np.searchsorted(asked, drawn)
        answered = ~opinion.abstain[places]
        temperature = fit_temperature(opinion.targets[places][answered], gold[drawn][answered])
        temperatures[seed] = temperature
        opinions[seed] = replace(
            opinion,
            scores=opinion.scores[returned],
            targets=at_temperature(opinion.targets[returned], temperature),
            abstain=opinion.abstain[returned],
            order_sensitive=None if opinion.order_sensitive is None else opinion.order_sensitive[returned],
        )
    return opinions, temperatures


def nothing_left(path: str, why: str) -> BadSpec:
    """The error where a labeler has seen all gold labels that its temperature could be fitted on.

    Args:
        path: of the labeler in the manifest.
        why: what took them, a sentence without its full stop.
    """
    return BadSpec(
        "NothingToCalibrateOn",
        f"{path}.calibration: {why}: no label is left to fit a temperature on, for what a labeler says of texts"
        " whose labels it was shown proves nothing.",
        "Set `calibration: None`, or leave it out.",
    )


def fit_temperature(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Finds the temperature with the smallest log loss on gold labels, between .05 and 20.

    Args:
        probabilities: float64[n, K].
        labels: int64[n], gold.

    Returns:
        1 where there are no labels.
    """
    from scipy.optimize import minimize_scalar

    if not len(labels):
        return 1.0

    def loss(log_temperature: float) -> float:
        tempered = at_temperature(probabilities, float(np.exp(log_temperature)))
        return float(-np.log(np.maximum(tempered[np.arange(len(labels)), labels], 1e-12)).mean())

    best = minimize_scalar(loss, bounds=(np.log(LOWEST), np.log(HIGHEST)), method="bounded")
    return float(np.exp(best.x))


def at_temperature(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """softmax(log p / T), float64[n, K]."""
    logs = np.log(np.maximum(probabilities, 1e-12)) / temperature
    odds = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))
