"""One step of a job: what it is made from, what it depends on, how it is run."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from w2s_api.names import StageKind

Role = Literal[
    "examples",
    "pairs",
    "gold",
    "opinions",
    "labels",
    "selection",
    "model",
    "students",
    "combination",
    "round",
    "rounds",
    "student",
    "gold-student",
    "results",
    "adaptation",
    "retention",
    "finish",
    "unfinished",
]
"""What an artifact is to the stage that reads it.

- examples: every text, its part and family; pairs: those that took the place of the pool, where something was put beside
  them since; gold: the experts' labels of them, apart by part.
- opinions: of each labeler, in the manifest's order; labels: what they were aggregated to; selection: the rows to train on.
- model: one that a stage made; adaptation: the models that the steps of the adaptation made.
- students: of every arm and seed; combination: of teacher and students.
- round: the students of the round of self-training before; rounds: those of all rounds, in order.
- finish: the students that the steps of the finish made; unfinished: those before the first step that learns from the
  gold budget.
- student: the one that is published, of a step of the finish the one before it; gold-student: the one on gold labels that
  is published beside it.
- retention: what the tuned model forgot; results: of the evaluation.
"""


@dataclass(frozen=True)
class Read:
    """Something that a stage reads from outside of the store's artifacts."""

    uri: str
    what: Literal["data", "model"]


@dataclass(frozen=True)
class ModelReference:
    """A model: one that is there, by its URI, or one that a stage of the job makes. One of the two is given."""

    uri: str = ""
    stage: str = ""


@dataclass(frozen=True)
class Stage:
    """One step of the job. No stage knows another one's name: the pipeline joins them by roles."""

    name: str
    """What users call it: `prepare`, `label-small`, `train`."""
    kind: StageKind
    roles: Mapping[Role, tuple[str, ...]]
    """Names of the stages whose artifacts it reads, by what they are to it."""
    inputs: Mapping[str, Any]
    """The canonical parts of the spec it depends on, by dotted path: what an edit is compared with."""
    methods: Mapping[str, int]
    key: str
    model: ModelReference | None = None
    """The model that it labels with, tunes or publishes."""
    reads: tuple[Read, ...] = ()
    shards: int = 1
    always_runs: bool = False
    """It does something for the job beside its artifact, which another job's artifact cannot do: `prepare` looks into the
    store, `evaluate` and `promote` put the job's own pointers in place."""
    processes: Literal["One", "PerGPU"] = "One"
    """How many processes run it together in one pod."""
    labeler: str | None = None
    """The labeler that a `label` stage runs."""
    arm: str | None = None
    """The arm that a `train` stage is for alone: one that is tuned beyond a head, in one process for each seed, or whose model
    is another one."""
    seed: int | None = None
    """Its seed."""
    step: int | None = None
    """The step of `strong.adaptation` that an `adapt` stage does, or of `strong.finish` that a `finish` stage does, from 0."""

    @cached_property
    def needs(self) -> tuple[str, ...]:
        """Names of the stages whose artifacts it reads."""
        return tuple(dict.fromkeys(name for names in self.roles.values() for name in names))
