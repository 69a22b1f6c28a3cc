"""The failure map: how likely a job is to pay, by facts that are known before a student is trained. Pure.

A job *pays* if its candidate is clearly better than the best of the teacher, the same model on the gold budget alone and the
untouched model. `tests/science/does_it_pay` fits maps and measures them on other tasks; its page says which one, if any,
the data support.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

UNKNOWN = math.nan


@dataclass(frozen=True)
class FailureMap:
    """A logistic regression on some predictors."""

    predictors: tuple[str, ...]
    """Names of `PREDICTORS`."""
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    """Of each predictor in the study."""
    weights: tuple[float, ...]
    """The intercept, then one of each standardised predictor."""
    hit_rate: float
    """Share of jobs of other tasks about which it was right."""
    source: str
    """The page that measured it."""


MAP: FailureMap | None = None
"""The one that is used; None while the data support none. The study's command prints the line to put here."""


@dataclass(frozen=True)
class Predictor:
    """One fact as a number."""

    of: Callable[[Mapping[str, Any]], float]
    """Of the facts (`stages.beforehand`); NaN where it is not known."""
    words: str
    """What it is, in a sentence about what speaks against a job."""
    do: str
    """What would change it."""


def _teacher(name: str) -> Callable[[Mapping[str, Any]], float]:
    """What is known of a teacher that has not seen the budget."""
    return lambda known: UNKNOWN if known["sawBudget"] else known["teacher"].get(name, UNKNOWN)


PREDICTORS: Mapping[str, Predictor] = {
    "budget": Predictor(
        lambda known: math.log2(known["budget"]),
        "the number of gold labels",
        "compare with the gold labels alone",
    ),
    "labels a class": Predictor(
        lambda known: math.log2(known["budget"] / len(known["classes"])),
        "the number of gold labels a class",
        "compare with the gold labels alone, which may do as well",
    ),
    "classes": Predictor(
        lambda known: math.log2(len(known["classes"])),
        "the number of classes",
        "compare with the gold labels alone, which may do as well",
    ),
    "coverage": Predictor(
        lambda known: known["covered"] / known["pool"],
        "how much of the pool the teacher answers",
        "add rules or a labeler",
    ),
    "skill": Predictor(
        _teacher("skill"), "the teacher's accuracy on the gold budget", "mend its rules, or take a better one"
    ),
    "doubt": Predictor(_teacher("doubt"), "how sure the teacher's accuracy is", "label more texts"),
    "confidence": Predictor(
        lambda known: known.get("confidence", UNKNOWN),
        "how sure the teacher is of its answers",
        "add labelers of other kinds, so that doubt shows",
    ),
    "shares": Predictor(
        lambda known: known["shares"],
        "how far the teacher's class shares are from those of the gold budget",
        "add rules for the classes that it names too seldom",
    ),
    "agreement": Predictor(
        lambda known: known.get("agreement", UNKNOWN),
        "how often labelers agree",
        "look at the texts on which they do not",
    ),
}
"""In the order of the study's protocol. They are of tasks with classes."""


def predictors_of(known: Mapping[str, Any]) -> dict[str, float]:
    """Every predictor of a job with classes, NaN where it is not known."""
    return {name: one.of(known) for name, one in PREDICTORS.items()}


@dataclass(frozen=True)
class Forecast:
    """What a map says of a job."""

    probability: float
    """That it pays."""
    against: str | None
    """The predictor that speaks most against it; None if none does."""


def forecast(known: Mapping[str, Any], by: FailureMap) -> Forecast:
    """What a map says of the facts of a job with classes. What is not known counts as the mean of the study's jobs."""
    values = predictors_of(known)
    parts = {
        name: 0.0 if math.isnan(values[name]) else weight * (values[name] - mean) / scale
        for name, mean, scale, weight in zip(by.predictors, by.mean, by.scale, by.weights[1:], strict=True)
    }
    worst = min(parts, key=parts.__getitem__, default=None)
    log_odds = by.weights[0] + sum(parts.values())
    likely = 1 / (1 + math.exp(-log_odds)) if log_odds > -700 else 0.0
    return Forecast(likely, worst if worst and parts[worst] < 0 else None)
