"""One pass over the stages of a job: what is seen, and what has been decided so far."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from w2s_api.names import StageKind
from w2s_api.pipeline import Stage
from w2s_api.spec import Spec
from w2s_api.status import StageStatus
from w2s_operator.planning.actions import CreateRun, DeleteChild
from w2s_operator.planning.deadlines import lost_at
from w2s_operator.planning.observed import ChildJob, ChildPod, Job, Observed, Seconds
from w2s_operator.planning.outcome import Outcome
from w2s_operator.planning.times import from_seconds, to_seconds


@dataclass
class Review:
    """What the policies share. Each takes a stage's record and gives it back as it should be."""

    observed: Observed
    spec: Spec
    stages: tuple[Stage, ...]
    now: Seconds
    settings: Mapping[StageKind, str]
    """Hash of the pod settings of each kind of stage."""
    lost_after: Seconds
    fresh: bool
    """Whether this generation of the spec (or this value of the retry annotation) is new."""
    records: dict[str, StageStatus]
    """Where each stage stands, by name."""
    resolutions: int
    creates: list[CreateRun] = field(default_factory=list)
    deletes: list[DeleteChild] = field(default_factory=list)
    wakes: list[Seconds] = field(default_factory=list)
    lost: Outcome | None = None
    """An artifact that a stage needs is gone, or was made and nobody heard of it."""
    found: dict[str, str] = field(default_factory=dict)
    """Artifacts that `prepare` found complete, of stages that are not done yet."""

    @classmethod
    def of(
        cls,
        observed: Observed,
        spec: Spec,
        stages: tuple[Stage, ...],
        now: Seconds,
        settings: Mapping[StageKind, str],
        lost_after: Seconds,
    ) -> Self:
        """Begins where the status left off; a new generation gives what failed a fresh budget."""
        job, before = observed.job, observed.job.status
        fresh = before.observed_generation != job.generation or (before.retry or "") != job.retry
        known = {record.name: record for record in before.stages}
        records = {stage.name: known.get(stage.name) or StageStatus(name=stage.name) for stage in stages}
        resolutions = before.resolutions or 0
        if fresh:
            # Of a job that goes on it must stay, for it is part of what the instance of `prepare` is.
            if any(record.state == "Failed" for record in records.values()):
                resolutions = 0
            records = {name: _renewed(record) for name, record in records.items()}
        return cls(observed, spec, stages, now, settings, lost_after, fresh, records, resolutions)

    @property
    def job(self) -> Job:
        """The job."""
        return self.observed.job

    # What is seen

    def children_of(self, stage: Stage, instance: str) -> list[ChildJob]:
        """The Jobs of an instance of a stage."""
        return [
            child
            for child in self.observed.children
            if child.stage == stage.name and child.instance == instance
        ]

    def run_of(self, stage: Stage, record: StageStatus) -> ChildJob | None:
        """The Job of the last run."""
        runs = self.children_of(stage, record.instance) if record.run else []
        return next((child for child in runs if child.run == record.run), None)

    def lost_at(self, pod: ChildPod) -> Seconds | None:
        """When a pod that is being deleted must be taken for lost with its node."""
        return lost_at(pod, self.lost_after)

    def runs_anything(self) -> bool:
        """Whether anything of the job still runs or saves its work: a Job may be gone before its pods are."""
        pods_are_left = self.pods_are_left(self.observed.pods)
        return pods_are_left or any(child.condition is None for child in self.observed.children)

    def pods_are_left(self, pods: Iterable[ChildPod]) -> bool:
        """Whether one of these pods may still write; one on a lost node does not count."""
        until = [self.lost_at(pod) for pod in pods if not pod.exit]
        for when in until:
            if when is not None:
                self.wake(when)
        return any(when is None or when > self.now for when in until)

    def failed(self) -> bool:
        """Whether a stage has failed for good: nothing is started after that."""
        return any(record.state == "Failed" for record in self.records.values())

    def past_active_deadline(self) -> bool:
        """Whether the job has run for as long as it may."""
        limit, since = self.spec.execution.active_deadline_seconds, self.job.status.start_time
        if limit is None or since is None or self.fresh:
            return False
        due = to_seconds(since) + limit
        self.wake(due)
        return due <= self.now

    def began(self, child: ChildJob) -> str | None:
        """When the first of a run's containers began, as a time of the status; None before, or if none is left."""
        started = [pod.started for pod in self.observed.pods_of(child) if pod.started is not None]
        return from_seconds(min(started)) if started else None

    # What is decided

    def delete(self, child: ChildJob, why: str) -> None:
        """Its Job is to go, with its pods."""
        self.deletes.append(DeleteChild(child.name, child.uid, why))

    def wake(self, when: Seconds) -> None:
        """Look again then, unless it is past."""
        if when > self.now:
            self.wakes.append(when)

    def look_again(self) -> None:
        """Look again at once: on what was decided rests more."""
        self.wakes.append(self.now)


def with_(record: StageStatus, **changes: Any) -> StageStatus:
    """A record with changes."""
    return record.model_copy(update=changes)


def _renewed(record: StageStatus) -> StageStatus:
    if not (record.failures or record.disruptions or record.state == "Failed"):
        return record
    return with_(
        record,
        failures=None,
        disruptions=None,
        state="Waiting" if record.state in ("Failed", "Retrying") else record.state,
        retry_time=None,
        reason=None,
        message=None,
    )
