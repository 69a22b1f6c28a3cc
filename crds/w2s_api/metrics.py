"""The metrics that a comparison may be about: what is known of each before anything is measured.

The module of the same name in `w2s_trainer.stages.evaluate.metrics` computes it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from w2s_api.spec.task import Task


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
    in_points: bool = True
    """Whether differences are reported in points, hundredths of it; else they are reported as they are."""
    families: tuple[str, ...] = ("Classification",)
    """The kinds of task (`task.type`) that it measures."""
    applies: Callable[["Task"], bool] = lambda _task: True
    """Whether it can be computed for a task of these kinds."""
    cel: str = ""
    """The same for the API server, with `self` a spec; empty if it always can."""
    needs: str = ""
    """What a task without it must be given, for the message."""
    on_parts: bool = True
    """Whether it can be computed on any part of the test, such as the texts on which the teacher abstains."""

    def measures(self, task: "Task") -> bool:
        """Whether it can be computed for a task."""
        return task.type in self.families and self.applies(task)


_TABLE = (
    Metric("MacroF1", "macro-F1", "the mean of the classes' F1 scores; 1 is perfect"),
    Metric("Accuracy", "accuracy", "the share of texts decided rightly"),
    Metric(
        "AUROC",
        "AUROC",
        "the chance that a positive text is ranked above a negative one; .5 is guessing",
        applies=lambda task: task.positive_class is not None or len(task.classes) > 2,
        cel="has(self.task.positiveClass) || size(self.task.classes) > 2",
        needs="`task.positiveClass`",
        on_parts=False,
    ),
    Metric(
        "ExactMatch",
        "exact match",
        "the share of texts whose answer is the expert's, case and white space aside",
        families=("Generation",),
    ),
    Metric(
        "TokenF1",
        "token F1",
        "how far the words of answer and reference are the same, in any order; 1 is all of them",
        families=("Generation",),
    ),
    Metric(
        "RougeL",
        "ROUGE-L",
        "how far the words of answer and reference are the same, in this order; 1 is all of them",
        families=("Generation",),
    ),
    Metric(
        "Chrf",
        "chrF",
        "how far short runs of characters of answer and reference are the same; 1 is all of them",
        families=("Generation",),
    ),
)

METRICS = {metric.name: metric for metric in _TABLE}
"""All metrics by name, in the order of the report."""
