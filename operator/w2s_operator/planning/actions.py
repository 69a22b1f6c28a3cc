"""What a plan may ask for, and what a policy may decide."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from w2s_api.spec.job import Spec
from w2s_api.stage import Stage
from w2s_api.status import StageStatus
from w2s_operator.observed import ChildJob, Seconds


@dataclass(frozen=True, slots=True)
class CreateRun:
    """Create the Job of a run. Its number is saved in the status before."""

    spec: Spec
    stage: Stage
    instance: str
    run: int
    needs: Mapping[str, str]
    """Content keys of the artifacts it reads, by stage name."""


@dataclass(frozen=True, slots=True)
class DeleteChild:
    """Delete a Job with its pods, which are given their time to save what they did."""

    name: str
    uid: str
    why: str

    @classmethod
    def of(cls, child: ChildJob, why: str) -> Self:
        """The deletion of a child Job, for a reason that the log tells."""
        return cls(child.name, child.uid, why)


@dataclass(frozen=True, slots=True)
class ReleaseChildren:
    """Delete, in one call, the child Jobs of a job that came to a good end: the status has their results."""


@dataclass(frozen=True, slots=True)
class DeleteSelf:
    """Delete the job: its TTL has expired."""


Action = CreateRun | DeleteChild | ReleaseChildren | DeleteSelf


@dataclass(frozen=True, slots=True)
class Decision:
    """What a policy decides of one stage."""

    record: StageStatus
    """The record of the stage as it should be."""
    final: bool = True
    """Whether the stage is decided. If not, the policies that follow start from this record."""
    deletes: tuple[DeleteChild, ...] = ()
    create: CreateRun | None = None
    wakes: tuple[Seconds, ...] = ()
    """When the decision may become another though nothing happens; what is past, or NEVER, does not count."""
    stored: Mapping[str, str] = field(default_factory=dict)
    """Content keys of the plan's artifacts that `prepare` found complete in the store, by stage name."""
    input_lost: bool = False
    """Whether an artifact is gone that the stage needs, or was made without the operator learning of it."""

    def then(self, later: Self) -> Self:
        """Both: the later record, and all that was asked for."""
        return replace(
            later,
            deletes=self.deletes + later.deletes,
            wakes=self.wakes + later.wakes,
            stored=later.stored or self.stored,
            input_lost=self.input_lost or later.input_lost,
        )
