"""The kinds of task: what is known of each before anything is read. Each is declared here, once.

The package of the same name in `w2s_trainer.families` says what its targets are, how students learn them and how they
are measured (CONTRIBUTING.md, "How to add a kind of task").
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from w2s_api.spec.task import Task


@dataclass(frozen=True)
class Family:
    """One kind of task, a value of `task.type`."""

    name: str
    words: str
    """What is done with each text, for the description of the field."""
    label_inputs: Callable[["Task"], Mapping[str, Any]]
    """The parts of the spec that the meaning of a label depends on, by path, for stage keys."""
    question_inputs: Callable[["Task"], Mapping[str, Any]]
    """What a model that is asked reads of the task, by path, for stage keys."""
    label_names: Callable[["Task"], tuple[str, ...] | None] = lambda _task: None
    """What a weak label may be called, where that is known beforehand; None: no list says."""
    needs: tuple[str, ...] = ()
    """Fields of `task` (camelCase) that are to be given for this type, and for no other that does not need them."""
    may_have: tuple[str, ...] = ()
    """Fields of `task` that may be given for this type."""
    writes: bool = False
    """Whether a weak label is a text that a labeler writes, of rules by `write`. Models that are tuned are then asked the
    task's question, too."""
    has_heads: bool = True
    """Whether a linear head on a frozen model's features can answer: the arm `head`."""
    has_zero_shot: bool = True
    """Whether the strong model as it came has an answer: the arm `zero-shot`."""
    has_combination: bool = True
    """Whether answers of several sources can be joined to one: the arm `combined`."""
    tunings: tuple[str, ...] | None = None
    """The values of `tuning.type` that it knows, of the strong model and of labelers; None: all."""
    labelers: tuple[str, ...] | None = None
    """The types of labelers whose opinions it understands; None: all."""
    aggregations: tuple[str, ...] | None = None
    """The values of `aggregation.type` by which its weak labels can be joined; None: all that are not for another kind
    of task alone."""
    selections: tuple[str, ...] | None = None
    """The types of selection steps that can judge its weak labels; None: all that are not for another kind of task alone."""
    losses: tuple[str, ...] | None = None
    """The values of `strong.loss.type` by which its students learn; None: all."""


def _classes(task: "Task") -> dict[str, Any]:
    return {"task.classes": list(task.class_names)}


def _kind(task: "Task") -> dict[str, Any]:
    return {"task.type": task.type}


def _writing(task: "Task") -> dict[str, Any]:
    return {**_kind(task), "task.instruction": task.instruction or None, "task.generation": task.generation}


def _question(task: "Task") -> dict[str, Any]:
    return {"task.classes": task.classes, "task.instruction": task.instruction or None}


_TABLE = (
    Family(
        "Classification",
        "each text belongs to exactly one class",
        label_inputs=_classes,
        question_inputs=_question,
        label_names=lambda task: task.class_names,
        needs=("classes",),
        may_have=("positiveClass", "instruction"),
    ),
    Family(
        "Generation",
        "a text is written about each text, such as a summary, an answer or an expression",
        label_inputs=_kind,
        question_inputs=_writing,
        needs=("generation",),
        may_have=("instruction",),
        writes=True,
        has_heads=False,
        tunings=("LoRA", "Full"),
        labelers=("Functions", "Imported", "Finetuned", "Prompted", "Endpoint"),
        aggregations=("WeightedAverage", "MajorityVote", "Consensus", "Judged"),
        selections=("Groundedness", "Shape", "Agreement", "Judge", "Likelihood", "Refinement"),
        losses=("CrossEntropy", "SoftTargets"),
    ),
)

FAMILIES = {family.name: family for family in _TABLE}
"""All kinds of task by name."""


def family_of(task: "Task") -> Family:
    """The declaration of a task's kind."""
    return FAMILIES[task.type]
