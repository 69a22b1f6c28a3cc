"""What the planner sees of the cluster: projections of the job, its child Jobs and their pods."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from w2s_api.status import StageProgress, Status

Seconds = float
"""Since the epoch."""


@dataclass(frozen=True, slots=True)
class Job:
    """A WeakToStrongJob."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    generation: int
    created: Seconds
    spec: bytes
    """JSON, as the API server has it: defaults filled in, not validated yet."""
    status: Status
    retry: str = ""
    """Value of the annotation `w2s.dev/retry`."""
    hands_off: bool = False
    """Annotation `w2s.dev/hands-off: "true"`, or another manager named in `managedBy`."""
    deleting: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, name)."""
        return self.namespace, self.name


@dataclass(frozen=True, slots=True)
class ChildJob:
    """A batch/v1 Job that is a run of a stage."""

    namespace: str
    name: str
    uid: str
    job: str
    """Name of the WeakToStrongJob."""
    job_uid: str
    stage: str
    stage_key: str
    instance: str
    run: int
    settings: str
    """Hash of the pod settings that it was made with."""
    created: Seconds
    deleting: Seconds | None = None
    suspended: bool = False
    """Whether a queue has not admitted it yet."""
    began: Seconds | None = None
    """When the Job controller took it up, or took it up again after a queue admitted it."""
    condition: str | None = None
    """Complete or Failed, once it has ended."""
    reason: str = ""
    message: str = ""
    ended: Seconds | None = None

    @property
    def is_live(self) -> bool:
        """Tells whether it has not ended and is not being deleted."""
        return self.condition is None and self.deleting is None

    @property
    def admitted(self) -> Seconds:
        """Since when it may make pods."""
        return self.began or self.created


@dataclass(frozen=True, slots=True)
class PodProblem:
    """Why a pod does not start, in the words of Kubernetes."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Words:
    """Last words of a stage process, schema-checked; what a pod says is not trusted."""

    outcome: str = ""
    reason: str = ""
    message: str = ""
    artifact: str | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)
    artifacts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Exit:
    """How the container of a pod ended."""

    code: int
    reason: str = ""
    """The kubelet's: Completed, Error, OOMKilled, …"""
    words: Words | None = None
    ended: Seconds | None = None


@dataclass(frozen=True, slots=True)
class ChildPod:
    """A pod of a child Job."""

    namespace: str
    name: str
    uid: str
    child_uid: str
    job: str
    stage: str
    instance: str
    created: Seconds
    phase: str
    node: str = ""
    started: Seconds | None = None
    """When its container began to run."""
    deleting: Seconds | None = None
    """When its grace period is over."""
    problem: PodProblem | None = None
    exit: Exit | None = None
    disrupted: str | None = None
    """The reason of its DisruptionTarget condition."""
    memory_limit: str = ""

    @property
    def running(self) -> bool:
        """Whether its container runs."""
        return self.started is not None and self.exit is None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A Job that the API server did not take."""

    instance: str
    run: int
    reason: str
    message: str
    final: bool
    """Whether it would be refused again."""


@dataclass(frozen=True, slots=True)
class Observed:
    """All that is known of one job at one moment."""

    job: Job
    children: tuple[ChildJob, ...] = ()
    pods: tuple[ChildPod, ...] = ()
    progress: Mapping[str, StageProgress] = field(default_factory=dict)
    """How far the running pods are, by name."""
    refused: Mapping[str, "Refusal"] = field(default_factory=dict)
    """Why the API server did not take the last run of a stage, by stage name."""

    def pods_of(self, child: ChildJob) -> tuple[ChildPod, ...]:
        """The pods of a child Job."""
        return tuple(pod for pod in self.pods if pod.child_uid == child.uid)
