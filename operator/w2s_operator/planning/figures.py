"""Figures that stages leave with their last words. Pure."""

from collections.abc import Mapping
from typing import Any

from w2s_operator.planning.resolution import OF_THE_JOB
from w2s_operator.planning.review import Review


def figures(review: Review) -> Mapping[str, Mapping[str, Any]]:
    """Those of `evaluate` and `promote`, by stage, as far as their pods are still there."""
    found: dict[str, Mapping[str, Any]] = {}
    for child in review.observed.children:
        if child.stage not in OF_THE_JOB or child.instance != review.records[child.stage].instance:
            continue
        for pod in review.observed.pods_of(child):
            if pod.exit and pod.exit.words and pod.exit.words.artifact:
                found[child.stage] = pod.exit.words.figures
    return found
