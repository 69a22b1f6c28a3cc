"""What follows from what is seen: the next actions, the status, and when to look again. Pure.

A stage has instances: its settings (the stage key) with the artifacts it reads. A run of an instance is one
Job. The status holds the number of the last run and whether its end is accounted for, and is written before
anything is created: whoever comes next, after a crash or beside this process, finds what was decided.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from w2s_api.keys import digest
from w2s_api.names import StageKind
from w2s_api.pipeline import Stage, pipeline
from w2s_api.spec import Spec
from w2s_api.status import FINISHED, StageProgress, StageStatus, Status, condition
from w2s_operator.planning.actions import Action, CreateRun, DeleteChild, DeleteSelf, ReleaseChildren
from w2s_operator.planning.conditions import Standing, conclude
from w2s_operator.planning.deadlines import lost_at, pending_deadline
from w2s_operator.planning.observed import ChildJob, Observed, Seconds
from w2s_operator.planning.outcome import Outcome, outcome
from w2s_operator.planning.retries import MAX_RESOLUTIONS, may_retry, wait_before_retry
from w2s_operator.planning.startup import start_state
from w2s_operator.planning.times import from_seconds, to_seconds


@dataclass(frozen=True)
class Plan:
    """What is to be done now."""

    status: Status | None = None
    """The status as it should be; None leaves it alone."""
    actions: tuple[Action, ...] = ()
    """To be done in order, after the status is written."""
    wake_at: Seconds | None = None
    """When to look again if nothing happens before."""


def plan(observed: Observed, now: Seconds, settings_hash: Mapping[StageKind, str] | None = None) -> Plan:
    """Decides. Level-based: only what is seen counts, not what happened.

    Args:
        observed: the job and its children.
        now: seconds since the epoch.
        settings_hash: hash of the pod settings of each kind of stage, as a new run would be made with.
    """
    job = observed.job
    if job.deleting or job.hands_off:
        return Plan()
    if _is_over(observed):
        return _after_the_end(observed, now)
    try:
        spec, stages = understood(job.spec)
    except ValidationError as error:
        return Plan(conclude(job, (), Standing(invalid=_first_error(error)), now))
    return _Planner(observed, spec, stages, now, settings_hash or {}).plan()


@lru_cache(maxsize=1024)
def understood(spec: bytes) -> tuple[Spec, tuple[Stage, ...]]:
    """A spec and the stages it means.

    Args:
        spec: JSON. What is known of many jobs at once is kept, since each is planned many times.

    Raises:
        ValidationError: it breaks a rule that the API server does not know.
    """
    found = Spec.model_validate_json(spec)
    return found, pipeline(found)


def _is_over(observed: Observed) -> bool:
    """Terminal state is looked at first: nothing is ever made again for a job that has ended."""
    status, job = observed.job.status, observed.job
    complete = condition(status, "Complete")
    return (
        complete is not None
        and complete.status != "Unknown"
        and status.observed_generation == job.generation
        and (status.retry or "") == job.retry
        and all(child.condition or child.deleting for child in observed.children)
    )


def _after_the_end(observed: Observed, now: Seconds) -> Plan:
    job = observed.job
    ttl = json.loads(job.spec).get("ttlSecondsAfterFinished") if b"ttlSeconds" in job.spec else None
    if ttl is not None and job.status.completion_time:
        due = to_seconds(job.status.completion_time) + float(ttl)
        if due <= now:
            return Plan(actions=(DeleteSelf(),))
        return Plan(actions=_released(observed), wake_at=due)
    return Plan(actions=_released(observed))


def _released(observed: Observed) -> tuple[Action, ...]:
    """After a good end the children go; after a bad one the failed Job stays, for its logs."""
    complete = condition(observed.job.status, "Complete")
    left = any(child.deleting is None for child in observed.children)
    return (ReleaseChildren(),) if complete and complete.status == "True" and left else ()


def _first_error(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"spec.{where}: {first['msg']}"


@dataclass
class _Planner:
    """One pass over the stages of a job, in their order."""

    observed: Observed
    spec: Spec
    stages: tuple[Stage, ...]
    now: Seconds
    settings: Mapping[StageKind, str]
    records: dict[str, StageStatus] = field(default_factory=dict)
    creates: list[Action] = field(default_factory=list)
    deletes: list[Action] = field(default_factory=list)
    wakes: list[Seconds] = field(default_factory=list)
    resolutions: int = 0
    lost: Outcome | None = None
    """An artifact that a stage needs is gone, or was made and nobody heard of it."""
    found: dict[str, str] = field(default_factory=dict)
    """Artifacts that `prepare` found complete, of stages that are not done yet."""
    plan_digest: str = ""

    def plan(self) -> Plan:
        job, before = self.observed.job, self.observed.job.status
        stages = self.stages
        self.resolutions = before.resolutions or 0
        fresh = before.observed_generation != job.generation or (before.retry or "") != job.retry
        if fresh:
            self.resolutions = 0
        self.plan_digest = digest(sorted(stage.key for stage in stages))
        known = {record.name: record for record in before.stages}
        for stage in stages:
            record = known.get(stage.name) or StageStatus(name=stage.name)
            if fresh and (record.failures or record.disruptions or record.state == "Failed"):
                state = "Waiting" if record.state in ("Failed", "Retrying") else record.state
                record = _with(
                    record,
                    failures=None,
                    disruptions=None,
                    state=state,
                    retry_time=None,
                    reason=None,
                    message=None,
                )
            self.records[stage.name] = record
        for stage in stages:
            self._advance(stage)
        if self.lost and self.resolutions < MAX_RESOLUTIONS:
            self.resolutions += 1
            self.wakes.append(self.now)
        self._stop_strangers()
        standing = self._standing(fresh)
        status = conclude(job, tuple(self.records.values()), standing, self.now)
        over = condition(status, "Complete")
        actions = (*self.deletes, *self.creates)
        if over and over.status != "Unknown" and not actions:
            self.wakes.append(self.now)
        return Plan(status, actions, min(self.wakes, default=None))

    # One stage

    def _advance(self, stage: Stage) -> None:
        record = self.records[stage.name]
        needs = {need: self.records[need].artifact or "" for need in stage.needs}
        if not all(self.records[need].state in FINISHED for need in stage.needs):
            if record.state in FINISHED or not self._runs(stage):
                # What it was made from is being made again; its instance will tell whether it still holds.
                self.records[stage.name] = _with(record, state="Waiting", progress=None)
            return
        instance = self._instance(stage, needs)
        if record.instance != instance:
            record = StageStatus(name=stage.name, instance=instance, run=self._last_run(stage, instance))
            record = _with(record, ended=True if record.run else None)
        if record.state == "Waiting" and record.artifact and record.ended:
            record = _with(record, state="Done")  # the same instance again: it is as done as it was
        if record.state not in (*FINISHED, "Failed"):
            record = self._follow(stage, record, needs)
        self.records[stage.name] = record

    def _runs(self, stage: Stage) -> bool:
        return any(child.stage == stage.name and child.condition is None for child in self.observed.children)

    def _instance(self, stage: Stage, needs: Mapping[str, str]) -> str:
        job = self.observed.job
        this: list[Any] = [job.uid, stage.name, stage.key, needs]
        if stage.kind == "prepare":
            this += [self.plan_digest, job.retry, self.resolutions]
        return digest(this)

    def _last_run(self, stage: Stage, instance: str) -> int:
        return max((child.run for child in self._children(stage, instance)), default=0)

    def _children(self, stage: Stage, instance: str) -> list[ChildJob]:
        return [
            child
            for child in self.observed.children
            if child.stage == stage.name and child.instance == instance
        ]

    def _follow(self, stage: Stage, record: StageStatus, needs: Mapping[str, str]) -> StageStatus:
        """Where the stage's last run stands; the next one, if it is time."""
        child = next(
            (one for one in self._children(stage, record.instance) if one.run == record.run and record.run),
            None,
        )
        if child is None:
            if record.run and not record.ended and record.started:
                record = self._disrupted(
                    record, Outcome("Disrupted", "JobVanished", "Its Job was deleted by somebody else.")
                )
            elif record.run and not record.ended:
                return self._make(stage, record, needs)
            return self._start_next(stage, record, needs)
        if record.ended:
            return self._start_next(stage, record, needs)
        return self._watch(stage, record, needs, child)

    def _watch(
        self, stage: Stage, record: StageStatus, needs: Mapping[str, str], child: ChildJob
    ) -> StageStatus:
        pods = self.observed.pods_of(child)
        ended = outcome(child, pods)
        if ended:
            return self._account(stage, record, needs, child, ended)
        if child.deleting is not None:
            return self._deleted_by_others(stage, record, needs, child)
        if self.spec.suspend:
            return self._stop(record, child, "Suspended", "Suspended", "The job is suspended.")
        started = any(pod.started is not None for pod in pods)
        wanted = self.settings.get(stage.kind, child.settings)
        if not started and child.settings != wanted:
            return self._stop(record, child, "Waiting", "SettingsChanged", "Its pod settings were changed.")
        lost = [when for pod in pods if (when := lost_at(pod)) is not None]
        if lost and min(lost) <= self.now:
            self.deletes.append(DeleteChild(child.name, child.uid, "NodeLost"))
            return self._disrupted(record, Outcome("Disrupted", "NodeLost", "Its node is gone."))
        self.wakes += lost
        deadline = pending_deadline(child, pods, self.spec.execution.pending_deadline_seconds)
        state, problem = start_state(child, pods)
        if deadline is not None and deadline <= self.now:
            why = f" ({problem.reason}: {problem.message})" if problem else ""
            self.deletes.append(DeleteChild(child.name, child.uid, "PendingDeadlineExceeded"))
            return self._failed(
                record,
                "PendingDeadlineExceeded",
                f"Its pod did not start within {self.spec.execution.pending_deadline_seconds} s{why}.",
            )
        if deadline is not None:
            self.wakes.append(deadline)
        if self._past_active_deadline():
            self.deletes.append(DeleteChild(child.name, child.uid, "ActiveDeadlineExceeded"))
            return self._failed(
                record,
                "ActiveDeadlineExceeded",
                f"The job ran for longer than {self.spec.execution.active_deadline_seconds} s.",
            )
        first = [pod.started for pod in pods if pod.started is not None]
        progress: list[StageProgress] = [
            self.observed.progress[pod.name] for pod in pods if pod.name in self.observed.progress
        ]
        return _with(
            record,
            state=state,
            started=True,
            reason=problem.reason if problem else None,
            message=problem.message[:1024] if problem else None,
            start_time=from_seconds(min(first)) if first else record.start_time,
            progress=min(progress, key=lambda one: one.step / max(one.total, 1))
            if progress
            else record.progress,
            retry_time=None,
        )

    def _account(
        self, stage: Stage, record: StageStatus, needs: Mapping[str, str], child: ChildJob, ended: Outcome
    ) -> StageStatus:
        """The end of a run enters the record, once."""
        when = from_seconds(child.ended or self.now)
        record = _with(record, ended=True, started=True, completion_time=when, progress=None)
        match ended.verdict:
            case "Done":
                assert ended.words is not None
                reused = ended.words.outcome == "Reused"
                record = _with(
                    record,
                    state="Reused" if reused else "Done",
                    artifact=ended.words.artifact,
                    reason=None,
                    message=None,
                    retry_time=None,
                )
                if stage.kind == "prepare":
                    self._resolve(ended.words.artifacts)
                return record
            case "Final":
                return self._failed(record, ended.reason, ended.message)
            case "InputGone" | "Lost":
                self.lost = ended
                if self.resolutions >= MAX_RESOLUTIONS:
                    return self._failed(record, ended.reason, ended.message)
                return _with(record, state="Waiting", reason=ended.reason, message=ended.message)
            case "Disrupted":
                record = self._disrupted(record, ended)
            case "Fault":
                failures = (record.failures or 0) + 1
                record = _with(record, failures=failures, reason=ended.reason, message=ended.message[:1024])
                if not may_retry(failures, self.spec.execution.max_retries):
                    return self._failed(record, ended.reason, ended.message)
                record = self._retry(record)
        return self._start_next(stage, record, needs)

    def _resolve(self, complete: Mapping[str, str]) -> None:
        """`prepare` says which artifacts of the plan are complete: those stages need no pod.

        The last two put the job's own pointers in place, which another job's artifact cannot do.
        """
        for name, artifact in complete.items():
            record = self.records.get(name)
            if record is None or name == "prepare" or record.state in FINISHED:
                continue
            if name in ("evaluate", "promote"):
                continue
            self.found[name] = artifact
        if complete:
            for name, record in list(self.records.items()):
                if record.artifact and name not in complete and name not in ("evaluate", "promote"):
                    self.records[name] = StageStatus(name=name)

    def _deleted_by_others(
        self, stage: Stage, record: StageStatus, needs: Mapping[str, str], child: ChildJob
    ) -> StageStatus:
        lost = [when for pod in self.observed.pods_of(child) if (when := lost_at(pod)) is not None]
        if lost and min(lost) <= self.now:
            record = self._disrupted(record, Outcome("Disrupted", "NodeLost", "Its node is gone."))
            return self._start_next(stage, record, needs)
        self.wakes += lost
        return _with(record, state="Stopping", reason="JobDeleted", message="Its Job is being deleted.")

    def _stop(
        self, record: StageStatus, child: ChildJob, state: str, reason: str, message: str
    ) -> StageStatus:
        """Ends a run on our own account: nothing is charged, and what it saved is gone on from."""
        self.deletes.append(DeleteChild(child.name, child.uid, reason))
        return _with(record, state=state, ended=True, reason=reason, message=message, progress=None)

    def _disrupted(self, record: StageStatus, ended: Outcome) -> StageStatus:
        record = _with(
            record,
            ended=True,
            disruptions=(record.disruptions or 0) + 1,
            reason=ended.reason,
            message=ended.message[:1024],
            progress=None,
        )
        return self._retry(record)

    def _retry(self, record: StageStatus) -> StageStatus:
        wait = wait_before_retry(
            record.failures or 0, record.disruptions or 0, self.spec.execution.retry_backoff_seconds
        )
        return _with(record, state="Retrying", retry_time=from_seconds(self.now + wait))

    def _failed(self, record: StageStatus, reason: str, message: str) -> StageStatus:
        return _with(
            record,
            state="Failed",
            ended=True,
            reason=reason,
            message=message[:1024],
            progress=None,
            retry_time=None,
        )

    # The next run

    def _start_next(self, stage: Stage, record: StageStatus, needs: Mapping[str, str]) -> StageStatus:
        """Begins the next run if nothing is in its way."""
        if stage.name in self.found:
            return _with(
                record, state="Reused", artifact=self.found[stage.name], ended=True, reason=None, message=None
            )
        if self.spec.suspend:
            return _with(record, state="Suspended", retry_time=None)
        if record.state == "Suspended":
            record = _with(record, state="Waiting", reason=None, message=None)
        if not self._may_run() or (stage.kind != "prepare" and self.lost):
            return record
        if record.retry_time and to_seconds(record.retry_time) > self.now:
            self.wakes.append(to_seconds(record.retry_time))
            return record
        for old in self._children(stage, record.instance):
            if old.deleting is None and old.condition is None:
                return record  # it runs, though nobody wrote it down: it is watched first
        if left := [pod for pod in self.observed.pods if pod.instance == record.instance and not pod.exit]:
            until = [lost_at(pod) for pod in left]
            if any(when is None or when > self.now for when in until):
                self.wakes += [when for when in until if when]
                return _with(record, state="Stopping")
        for old in self._children(stage, record.instance):
            if old.deleting is None:
                self.deletes.append(DeleteChild(old.name, old.uid, "NextRun"))
        run = max(record.run, self._last_run(stage, record.instance)) + 1
        record = _with(
            record,
            run=run,
            state="Starting",
            started=None,
            ended=None,
            retry_time=None,
            progress=None,
            completion_time=None,
            start_time=None,
        )
        return self._make(stage, record, needs)

    def _make(self, stage: Stage, record: StageStatus, needs: Mapping[str, str]) -> StageStatus:
        """Asks for the Job of a run that was decided. Asking twice makes one, for its name is decided too."""
        refusal = self.observed.refused.get(stage.name)
        if refusal and refusal.run == record.run:
            if refusal.final:
                return self._failed(record, refusal.reason, refusal.message)
            record = _with(record, reason=refusal.reason, message=refusal.message[:1024])
        if self._may_run():
            self.creates.append(CreateRun(self.spec, stage, record.instance, record.run, dict(needs)))
        return record

    def _may_run(self) -> bool:
        """Whether anything is started at all: not after a stage has failed for good."""
        return (
            not self.spec.suspend
            and not any(record.state == "Failed" for record in self.records.values())
            and not self._past_active_deadline()
        )

    def _past_active_deadline(self) -> bool:
        limit, since = self.spec.execution.active_deadline_seconds, self.observed.job.status.start_time
        if limit is None or since is None:
            return False
        due = to_seconds(since) + limit
        if due > self.now:
            self.wakes.append(due)
        return due <= self.now

    # The whole

    def _stop_strangers(self) -> None:
        """Runs of instances that the spec no longer means are stopped; what has ended is removed."""
        keys = {stage.name: stage.key for stage in self.stages}
        current = {record.instance for record in self.records.values() if record.instance}
        named = {action.name for action in self.deletes if isinstance(action, DeleteChild)}
        for child in self.observed.children:
            if child.deleting is not None or child.name in named:
                continue
            if child.instance not in current or child.stage_key != keys.get(child.stage):
                self.deletes.append(DeleteChild(child.name, child.uid, "SpecChanged"))

    def _standing(self, fresh: bool) -> Standing:
        running = any(child.condition is None for child in self.observed.children)
        return Standing(
            fresh=fresh,
            suspended=self.spec.suspend,
            running=running,
            figures=self._figures(),
            resolutions=self.resolutions,
            storage=self.spec.storage.uri,
        )

    def _figures(self) -> Mapping[str, Mapping[str, Any]]:
        """Figures of the last words of `evaluate` and `promote`."""
        found: dict[str, Mapping[str, Any]] = {}
        for child in self.observed.children:
            if (
                child.stage not in ("evaluate", "promote")
                or child.instance != self.records[child.stage].instance
            ):
                continue
            for pod in self.observed.pods_of(child):
                if pod.exit and pod.exit.words and pod.exit.words.artifact:
                    found[child.stage] = pod.exit.words.figures
        return found


def _with(record: StageStatus, **changes: Any) -> StageStatus:
    return record.model_copy(update=changes)
