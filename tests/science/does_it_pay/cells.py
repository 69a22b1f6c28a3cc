"""The jobs of the study and the order in which they run, so that a stop at any time leaves a balanced picture. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from .declared import BUDGETS, PRIMARY_BUDGET, PRIMARY_STUDENT, SETS, SOURCES, STUDENTS, sources_of


@dataclass(frozen=True)
class Cell:
    """One job."""

    task: str
    source: str
    budget: int
    student: str

    def __str__(self) -> str:
        return f"{self.task}.{self.source}.{self.budget}.{self.student}"


CURVE_SOURCE, CURVE_BUDGET = "rules", 256
"""Whose gold-only curve says what a candidate is worth: it goes up to 256 labels, and depends on no weak source."""


def cells() -> list[Cell]:
    """All jobs in order: round-robin over tasks, the primary student first, with a budget of 64 before the others.

    The jobs whose gold-only curves are needed come after the first two sources.
    """
    found: dict[Cell, None] = {}
    for student in (PRIMARY_STUDENT, *(name for name in STUDENTS if name != PRIMARY_STUDENT)):
        for budget in BUDGETS:
            for place, source in enumerate(SOURCES):
                if budget == PRIMARY_BUDGET and place == 2:
                    found |= dict.fromkeys(_round(CURVE_SOURCE, CURVE_BUDGET, student))
                found |= dict.fromkeys(_round(source, budget, student))
    return list(found)


def _round(source: str, budget: int, student: str) -> Iterator[Cell]:
    for task, one in SETS.items():
        too_many = task == "lexglue_ledgar_1k" and budget > PRIMARY_BUDGET
        if source in sources_of(one) and task in STUDENTS[student].tasks and not too_many:
            yield Cell(task, source, budget, student)
