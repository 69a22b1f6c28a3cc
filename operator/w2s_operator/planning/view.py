"""What the policies read. Views are immutable: the view of a stage has what was decided of those before it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from w2s_api.keys import digest
from w2s_api.names import StageKind
from w2s_api.spec.job import Spec
from w2s_api.stage import Stage
from w2s_api.status import FINISHED, StageStatus
from w2s_operator.observed import ChildJob, ChildPod, Job, Observed, Seconds
from w2s_operator.planning.records import any_failed, renewed
from w2s_operator.times import from_seconds, to_seconds

LOST_AFTER = 60.0
"""Seconds past its grace period after which a pod that is still there is on a lost node."""

NEVER: Seconds = float("inf")
ALREADY: Seconds = float("-inf")

_INSTANCE_DIGITS = 16
"""Hexadecimal digits of an instance: it is compared with others of the same job only, and the status holds up to 94."""


@dataclass(frozen=True, slots=True)
class JobView:
    """What all stages of a job share in one pass."""

    observed: Observed
    spec: Spec
    stages: tuple[Stage, ...]
    now: Seconds
    settings: Mapping[StageKind, str]
    """Hash of the pod settings of each kind of stage."""
    lost_after: Seconds
    is_fresh: bool
    """Whether this generation of the spec (or this value of the retry annotation) is new."""
    records: Mapping[str, StageStatus]
    """Where the status left each stage, by name; a fresh generation gives what failed a new budget."""
    resolutions: int
    plan_key: str
    """Digest of the keys of all stages: what `prepare` looks for in the store."""

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
        """The job at the beginning of a pass."""
        job, before = observed.job, observed.job.status
        is_fresh = before.observed_generation != job.generation or (before.retry or "") != job.retry
        known = {record.name: record for record in before.stages}
        records = {stage.name: known.get(stage.name) or StageStatus(name=stage.name) for stage in stages}
        resolutions = before.resolutions or 0
        if is_fresh:
            # Of an unfinished job the count must stay, for it is part of what the instance of `prepare` is.
            if any_failed(records):
                resolutions = 0
            records = {name: renewed(record) for name, record in records.items()}
        plan_key = digest(sorted(stage.key for stage in stages))
        return cls(
            observed, spec, stages, now, settings, lost_after, is_fresh, records, resolutions, plan_key
        )

    @property
    def always_run(self) -> tuple[str, ...]:
        """Names of the stages that run whatever the store has."""
        return tuple(stage.name for stage in self.stages if stage.always_runs)

    @property
    def job(self) -> Job:
        """The WeakToStrongJob."""
        return self.observed.job

    @property
    def active_deadline(self) -> Seconds | None:
        """When the job will have run for as long as it may; None where it has no limit."""
        limit, since = self.spec.execution.active_deadline_seconds, self.job.status.start_time
        return None if limit is None or since is None or self.is_fresh else to_seconds(since) + limit

    def instance(self, stage: Stage, needs: Mapping[str, str]) -> str:
        """The instance of a stage that reads these artifacts (content keys by stage name)."""
        identity: list[Any] = [self.job.uid, stage.name, stage.key, needs]
        if stage.kind == "prepare":
            identity += [self.plan_key, self.job.retry, self.resolutions]
        return digest(identity)[:_INSTANCE_DIGITS]

    def lost_at(self, pod: ChildPod) -> Seconds | None:
        """When a pod that is being deleted must be taken for lost with its node."""
        return lost_at(pod, self.lost_after)

    def quiet_at(self, pods: Iterable[ChildPod]) -> Seconds:
        """When none of these pods can write any more: ALREADY, at some time, or NEVER as far as is known.

        A pod on a lost node is taken to be gone.
        """
        ends = [self.lost_at(pod) for pod in pods if not pod.exit]
        return max((NEVER if end is None else end for end in ends), default=ALREADY)

    @property
    def all_quiet_at(self) -> Seconds:
        """When nothing of the job runs or saves its work any more: a Job may be gone before its pods are."""
        if any(child.condition is None for child in self.observed.children):
            return NEVER
        return self.quiet_at(self.observed.pods)


@dataclass(frozen=True, slots=True)
class StageView:
    """One stage of a job, as the policies see it."""

    job: JobView
    stage: Stage
    record: StageStatus
    """Where it stands: of the instance that is meant, if that is known."""
    needs: Mapping[str, str] | None
    """Content keys of the artifacts it reads, by stage name; None while they are being made."""
    stored: str | None
    """Content key of its artifact, if `prepare` has just found that in the store."""
    records: Mapping[str, StageStatus]
    """Where all stages stand, by name, as far as they are decided."""
    input_lost: bool
    """Whether a stage before it has just found an artifact gone."""

    @classmethod
    def of(
        cls,
        job: JobView,
        stage: Stage,
        records: Mapping[str, StageStatus],
        stored: Mapping[str, str],
        input_lost: bool,
    ) -> Self:
        """A stage in the middle of a pass.

        Args:
            job: as the pass began.
            stage: of its plan.
            records: of all stages, as far as they are decided.
            stored: what `prepare` has found complete in this pass: content keys by stage name.
            input_lost: whether a stage before this one has found an artifact gone.
        """
        record, needs = records[stage.name], None
        if all(records[need].state in FINISHED for need in stage.needs):
            needs = {need: records[need].artifact or "" for need in stage.needs}
            instance = job.instance(stage, needs)
            if record.instance != instance:
                record = StageStatus(name=stage.name, instance=instance)
        return cls(job, stage, record, needs, stored.get(stage.name), records, input_lost)

    def with_record(self, record: StageStatus) -> Self:
        """The view after a policy has changed the record."""
        return self if record is self.record else replace(self, record=record)

    @property
    def now(self) -> Seconds:
        """Seconds since the epoch."""
        return self.job.now

    @property
    def spec(self) -> Spec:
        """The spec of the job."""
        return self.job.spec

    @property
    def job_failed(self) -> bool:
        """Whether a stage of the job has failed for good."""
        return any_failed(self.records)

    @property
    def is_ready(self) -> bool:
        """Whether the stages before it are finished, so that its instance is known."""
        return self.needs is not None

    @property
    def is_open(self) -> bool:
        """Whether a run was decided whose end is not accounted for yet."""
        return bool(self.record.run and not self.record.ended)

    @property
    def runs(self) -> tuple[ChildJob, ...]:
        """The Jobs of this instance."""
        return tuple(child for child in self._children() if child.instance == self.record.instance)

    @property
    def live(self) -> tuple[ChildJob, ...]:
        """The Jobs of any instance of the stage that have not ended."""
        return tuple(child for child in self._children() if child.is_live)

    @property
    def last_run(self) -> ChildJob | None:
        """The Job of the run that is open, if it is seen."""
        if not self.is_open:
            return None
        return next((child for child in self.runs if child.run == self.record.run), None)

    @property
    def running(self) -> ChildJob | None:
        """The Job of the run that is open, if it has not ended."""
        child = self.last_run
        return child if child is not None and child.is_live else None

    @property
    def pods(self) -> tuple[ChildPod, ...]:
        """The pods of the run that is open."""
        child = self.last_run
        return self.job.observed.pods_of(child) if child is not None else ()

    @property
    def has_started(self) -> bool:
        """Whether a container of the run that is open has begun."""
        return any(pod.started is not None for pod in self.pods)

    @property
    def start_time(self) -> str | None:
        """When the first of its containers began, as a time of the status; None before, or if none is left."""
        started = [pod.started for pod in self.pods if pod.started is not None]
        return from_seconds(min(started)) if started else None

    @property
    def lost_at(self) -> Seconds | None:
        """When the run that is open must be taken for lost with the node of one of its pods."""
        times = (self.job.lost_at(pod) for pod in self.pods)
        return min((time for time in times if time is not None), default=None)

    @property
    def quiet_at(self) -> Seconds:
        """When no pod of an earlier run of this instance can write any more."""
        pods = self.job.observed.pods
        return self.job.quiet_at(pod for pod in pods if pod.instance == self.record.instance)

    def _children(self) -> Iterable[ChildJob]:
        return (child for child in self.job.observed.children if child.stage == self.stage.name)


def lost_at(pod: ChildPod, after: Seconds = LOST_AFTER) -> Seconds | None:
    """When a pod that is being deleted must be taken for lost with its node.

    Args:
        pod: its `deleting` is when its grace period is over.
        after: seconds past that.
    """
    has_ended = pod.phase in ("Succeeded", "Failed")  # not merely its container: others may hold it up
    return None if pod.deleting is None or has_ended else pod.deleting + after
