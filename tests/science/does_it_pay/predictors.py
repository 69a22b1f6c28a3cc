"""What the failure map predicts from: numbers that `prepare` and `label` know before a student is trained. Pure."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

PREDICTORS = (
    "budget", "labels a class", "classes", "coverage", "skill", "doubt", "confidence", "shares", "agreement",
)  # fmt: skip
"""In the order of the protocol."""
UNKNOWN = math.nan


def predictors_of(known: Mapping[str, Any], saw_budget: bool) -> dict[str, float]:
    """The predictors of a job; NaN where one is unknown.

    Args:
        known: of its record (`known_beforehand`).
        saw_budget: the teacher was tuned on the budget, so that it says nothing of its accuracy.
    """
    right, doubt = np.nanmean([_skill(seed) for seed in known["bySeed"]], axis=0)
    drawn = np.mean([np.array(seed["drawn"]) / sum(seed["drawn"]) for seed in known["bySeed"]], axis=0)
    shares = np.array(known["shares"]) if known["shares"] else drawn
    unknown = {"skill": UNKNOWN, "doubt": UNKNOWN} if saw_budget else {}
    return {
        "budget": math.log2(known["budget"]),
        "labels a class": math.log2(known["budget"] / known["classes"]),
        "classes": math.log2(known["classes"]),
        "coverage": known["coverage"],
        "skill": float(right),
        "doubt": float(doubt),
        "confidence": UNKNOWN if known["confidence"] is None else known["confidence"],
        "shares": float(np.abs(shares - drawn).sum() / 2),
        "agreement": UNKNOWN if known["agreement"] is None else known["agreement"],
        **unknown,
    }


def _skill(seed: Mapping[str, Any]) -> tuple[float, float]:
    """Accuracy beyond always saying the commonest class, and the standard error of the accuracy."""
    said = np.array(seed["said"])
    covered = said.sum() + 2
    accuracy = (np.trace(said) + 1) / covered
    commonest = max(seed["drawn"]) / sum(seed["drawn"])
    return (accuracy - commonest) / max(1 - commonest, 1e-6), math.sqrt(accuracy * (1 - accuracy) / covered)
