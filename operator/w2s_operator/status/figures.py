"""Figures that stages leave with their last words."""

from collections.abc import Mapping
from typing import Any

from w2s_operator.observed import Observed


def figures(observed: Observed, instances: Mapping[str, str]) -> Mapping[str, Mapping[str, Any]]:
    """The figures of some stages by stage name, as far as their pods are still there.

    Args:
        observed: the job and its children.
        instances: of the stages, by name.
    """
    known: dict[str, Mapping[str, Any]] = {}
    for child in observed.children:
        if instances.get(child.stage) != child.instance:
            continue
        for pod in observed.pods_of(child):
            if pod.exit and pod.exit.words and pod.exit.words.artifact:
                known[child.stage] = pod.exit.words.figures
    return known
