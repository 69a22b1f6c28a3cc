"""From a published model to its answers, whatever kind of task it is for."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from w2s_api.families import FAMILIES
from w2s_trainer.errors import BadSpec
from w2s_trainer.families import family_class
from w2s_trainer.families.task_family import Predictor, TaskFamily

if TYPE_CHECKING:
    from w2s_api.spec.job import Spec

MARK = "w2s_task.json"
"""In a model's directory: which kind of task it is for. Without it, a model classifies as its config says."""
_UNMARKED = "Classification"


def mark(directory: Path, family: TaskFamily, spec: "Spec") -> None:
    """Notes the kind of task beside a model whose own config does not tell it, and what else the kind of task has to say."""
    if not family.is_known_by_config:
        (directory / MARK).write_text(json.dumps(family.marks(spec)))
    family.write_beside(directory)


def load_predictor(directory: Path, name: str) -> Predictor:
    """A published model.

    Args:
        directory: in which it was written.
        name: what a person calls it.

    Raises:
        BadSpec: it is for a kind of task that this version does not know.
    """
    kind = _marks(directory, name)["type"]
    return family_class(kind).load_predictor(directory, name)


def input_fields(directory: Path, name: str) -> tuple[str, ...]:
    """The fields that a published model reads of a row beside its text; arguments and errors as of `load_predictor`."""
    marks = _marks(directory, name)
    return family_class(marks["type"]).input_fields(marks)


def _marks(directory: Path, name: str) -> dict[str, Any]:
    """What `mark` left, with the type of the task."""
    place = directory / MARK
    if not place.is_file():
        return {"type": _UNMARKED}
    try:
        marks = dict(json.loads(place.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        marks = {}
    if marks.get("type") not in FAMILIES:
        raise BadSpec(
            "UnknownTask",
            f"{name}: {MARK} names no kind of task that this version knows ({', '.join(FAMILIES)}).",
            "Use the version that published the model.",
        )
    return marks
