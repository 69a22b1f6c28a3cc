"""Which of several ways to ask is taken: the one with the smallest log loss out of fold by family on the gold budget. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.labelers.prompted import PromptStrategy
from w2s_trainer.models.head import folds_of
from w2s_trainer.models.published import softmax
from w2s_trainer.stages.label.calibration import at_temperature, fit_temperature

LEAST_TEXTS = 16
"""Texts of the budget that no strategy was shown, below which the first strategy is taken."""
FOLDS = 5
DECIMALS = 3
"""To which log losses are compared: what is the same there is a tie."""


@dataclass(frozen=True)
class Choice:
    """The strategy of a seed."""

    place: int
    """In the manifest's list."""
    texts: int
    """Of the budget, that it was chosen on."""
    losses: tuple[float, ...]
    """Mean log loss out of fold of each strategy; none where the budget is too small."""

    def to_json(self) -> dict[str, Any]:
        """For the summary."""
        return {
            "chosen": self.place,
            "texts": self.texts,
            "heldOutLogLoss": [round(loss, DECIMALS + 1) for loss in self.losses],
        }


def can_choose(families: NDArray[np.int64]) -> bool:
    """Whether texts of these families, int64[n], are enough to choose on."""
    return len(families) >= LEAST_TEXTS and len(np.unique(families)) >= 2


def choice_of(strategies: Sequence[PromptStrategy], losses: Sequence[float], texts: int) -> Choice:
    """The strategy with the smallest loss; of equally good ones the cheapest, and of these the first.

    Cheaper is to write no reasoning, then fewer shots, then drawn ones, which all prompts share.
    """

    def key(place: int) -> tuple[float, int, int, bool, int]:
        tried = strategies[place]
        is_retrieved = tried.shot_selection == "Nearest"
        return round(losses[place], DECIMALS), tried.reasoning_tokens, tried.shots, is_retrieved, place

    return Choice(min(range(len(strategies)), key=key), texts, tuple(losses))


def held_out_losses(
    scores: NDArray[np.float64],
    labels: NDArray[np.int64],
    families: NDArray[np.int64],
    seed: int,
    shift_of: Callable[[NDArray[np.int64]], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Log losses of a strategy on texts of the budget, prior and temperature from the other folds.

    A temperature is fitted for each fold, whether the labels are to be calibrated or not: what is compared is what
    an answer knows, rather than how sure a prompt makes it sound.

    Args:
        scores: float64[n, K], means over the orders.
        labels: int64[n], gold.
        families: int64[n]; folds keep them whole.
        seed: deals the families into folds.
        shift_of: from the labels of the other folds to the shift of the prior, float64[K].

    Returns:
        float64[n].
    """
    fold, losses = folds_of(families, seed, FOLDS), np.empty(len(labels))
    for number in np.unique(fold):
        inside, outside = fold != number, fold == number
        probabilities = softmax(scores + shift_of(labels[inside]))
        temperature = fit_temperature(probabilities[inside], labels[inside])
        said = at_temperature(probabilities[outside], temperature)
        losses[outside] = -np.log(np.maximum(said[np.arange(outside.sum()), labels[outside]], 1e-12))
    return losses
