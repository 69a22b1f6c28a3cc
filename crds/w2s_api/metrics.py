"""The metrics that a comparison may be about: what is known of each before anything is measured.

The module of the same name in `w2s_trainer.stages.evaluate.metrics` computes it.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One metric."""

    name: str
    label: str
    """As it is written in a sentence."""
    words: str
    """What it is, in a few words."""
    bounds: tuple[float, float] = (0.0, 1.0)
    """The least and the greatest value that it can have; infinite where there is none."""
    higher_is_better: bool = True
    applies: Callable[[int, bool], bool] = lambda _classes, _has_positive: True
    """Whether it can be computed: of the number of classes, and whether one of them is the positive one."""
    cel: str = ""
    """The same for the API server, with `self` a spec; empty if it always can."""
    needs: str = ""
    """What a task without it must be given, for the message."""


_TABLE = (
    Metric("MacroF1", "macro-F1", "the mean of the classes' F1 scores; 1 is perfect"),
    Metric("Accuracy", "accuracy", "the share of texts decided rightly"),
    Metric(
        "AUROC",
        "AUROC",
        "the chance that a positive text is ranked above a negative one; .5 is guessing",
        applies=lambda classes, has_positive: has_positive or classes > 2,
        cel="has(self.task.positiveClass) || size(self.task.classes) > 2",
        needs="`task.positiveClass`",
    ),
)

METRICS = {metric.name: metric for metric in _TABLE}
"""All metrics by name, in the order of the report."""
