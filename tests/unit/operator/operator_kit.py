"""A cluster of a test's own: it does what a plan asks for, and its pods end as the test says."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from w2s_api.exit_codes import ExitCode
from w2s_api.names import StageKind
from w2s_api.pipeline import pipeline
from w2s_api.spec.job import Spec
from w2s_api.status import StageProgress, StageStatus, Status, condition
from w2s_operator.observed import (
    ChildJob,
    ChildPod,
    Exit,
    Job,
    Observed,
    PodProblem,
    Refusal,
    Words,
)
from w2s_operator.planning.actions import CreateRun, DeleteChild, DeleteSelf, ReleaseChildren
from w2s_operator.planning.plan import Plan, plan

SPEC: dict[str, Any] = {
    "task": {"classes": [{"name": "other"}, {"name": "indemnity"}], "positiveClass": "indemnity"},
    "data": {"unlabeled": {"uri": "s3://legal/pool.jsonl"}, "gold": {"uri": "s3://legal/gold.jsonl"}},
    "storage": {"uri": "s3://legal/w2s"},
    "weak": {
        "labelers": [
            {"name": "small", "type": "Classifier", "classifier": {"model": {"uri": "hf://legal/small"}}}
        ]
    },
    "strong": {"model": {"uri": "hf://org/strong"}},
}
START = 1_800_000_000.0
GRACE = 60.0


@dataclass
class Cluster:
    """One job and what was made for it."""

    spec: dict[str, Any]
    now: float = START
    generation: int = 1
    retry: str = ""
    hands_off: bool = False
    status: Status = field(default_factory=Status)
    children: list[ChildJob] = field(default_factory=list)
    pods: list[ChildPod] = field(default_factory=list)
    created: list[str] = field(default_factory=list)
    """Names of all Jobs that were ever made, `stage/run`."""
    deleted: list[tuple[str, str]] = field(default_factory=list)
    """(stage, why) of all Jobs that were deleted."""
    gone: bool = False
    """Whether the job deleted itself."""
    wake_at: float | None = None
    """When the last plan at rest wants to look again."""
    refused: dict[str, Refusal] = field(default_factory=dict)
    progress: dict[str, StageProgress] = field(default_factory=dict)
    settings: dict[StageKind, str] = field(default_factory=dict)
    store: dict[str, str] = field(default_factory=dict)
    """Complete artifacts by stage name, as `prepare` finds them."""

    @property
    def job(self) -> Job:
        return Job(
            namespace="legal",
            name="indemnity",
            uid="u-1",
            resource_version="1",
            generation=self.generation,
            created=START,
            spec=json.dumps(self.spec).encode(),
            status=self.status,
            retry=self.retry,
            hands_off=self.hands_off,
        )

    def observed(self) -> Observed:
        return Observed(
            self.job, tuple(self.children), tuple(self.pods), dict(self.progress), dict(self.refused)
        )

    def step(self) -> Plan:
        """One pass: plan, status, actions."""
        found = plan(self.observed(), self.now, lambda _spec: self.settings)
        if found.status is not None:
            self.status = Status.model_validate(found.status.to_json())
        for action in found.actions:
            match action:
                case CreateRun():
                    self._create(action)
                case DeleteChild():
                    self._delete(action)
                case ReleaseChildren():
                    self.children, self.pods = [], []
                case DeleteSelf():
                    self.gone = True
        return found

    def settle(self, most: int = 30) -> "Cluster":
        """Steps until nothing changes; a plan that would look again at once must have changed something."""
        for _ in range(most):
            before = (self.status, tuple(self.children), tuple(self.pods), self.gone, tuple(self.created))
            found = self.step()
            after = (self.status, tuple(self.children), tuple(self.pods), self.gone, tuple(self.created))
            if before == after:
                self.wake_at = found.wake_at
                assert found.wake_at is None or found.wake_at > self.now, "a hot loop: it wakes at once"
                self._assert_nothing_is_due_before_it_wakes(found)
                return self
        raise AssertionError("a hot loop: the plan never comes to rest")

    def wait(self, seconds: float) -> "Cluster":
        self.now += seconds
        return self.settle()

    def edit(self, **changes: Any) -> "Cluster":
        """A new generation of the spec; dotted paths as `strong__training`."""
        for path, value in changes.items():
            *parents, last = path.split("__")
            place = self.spec
            for name in parents:
                place = place.setdefault(name, {})
            place[last] = value
        self.generation += 1
        return self.settle()

    # What pods do

    def end(
        self,
        stage: str,
        code: int = 0,
        *,
        disrupted: str | None = None,
        reason: str = "",
        words: Words | None = None,
        lost: bool = False,
    ) -> "Cluster":
        """The running pod of a stage ends."""
        pod = self.pod(stage)
        if code == 0 and words is None:
            words = self._words(stage)
        exit_ = Exit(code, reason, words, self.now)
        self.pods = [
            replace(one, exit=exit_, disrupted=disrupted, phase="Failed" if code else "Succeeded")
            if one == pod
            else one
            for one in self.pods
        ]
        self.children = [
            self._ended(one, code, disrupted) if one.uid == pod.child_uid else one for one in self.children
        ]
        if lost:
            self.pods = [one for one in self.pods if one.uid != pod.uid]
        return self

    def run(self, stage: str) -> "Cluster":
        """The pod of a stage begins to run."""
        pod = self.pod(stage)
        self.pods = [replace(one, started=self.now, problem=None) if one == pod else one for one in self.pods]
        return self

    def trouble(self, stage: str, reason: str, message: str = "") -> "Cluster":
        pod = self.pod(stage)
        self.pods = [
            replace(one, problem=PodProblem(reason, message)) if one == pod else one for one in self.pods
        ]
        return self

    def finish(self, *stages: str) -> "Cluster":
        """Runs stages to their good ends, one after another."""
        for stage in stages:
            self.settle()
            self.run(stage).end(stage).settle()
        return self

    def complete(self) -> "Cluster":
        for _ in range(200):
            self.settle()
            busy = [child.stage for child in self.children if child.is_live]
            if not busy:
                return self
            self.finish(*busy)
        raise AssertionError("never comes to an end")

    def terminate(self, *pods: ChildPod) -> "Cluster":
        """Pods are deleted, and have their grace period."""
        self.pods = [
            replace(pod, deleting=self.now + GRACE) if pod in pods and pod.deleting is None else pod
            for pod in self.pods
        ]
        return self

    def keep(self) -> "Cluster":
        """The store has what is done, as `prepare` will find."""
        self.store = {stage.name: stage.artifact for stage in self.status.stages if stage.artifact}
        return self

    def collect(self) -> "Cluster":
        """Pods that were deleted have ended, and are gone."""
        self.pods = [pod for pod in self.pods if pod.deleting is None]
        self.children = [child for child in self.children if child.deleting is None]
        return self.settle()

    # What is seen

    def stage(self, name: str) -> StageStatus:
        return next(stage for stage in self.status.stages if stage.name == name)

    def states(self) -> dict[str, str]:
        return {stage.name: stage.state for stage in self.status.stages}

    def condition(self, type_: str) -> tuple[str, str]:
        found = condition(self.status, type_)  # type: ignore[arg-type]
        assert found is not None
        return found.status, found.reason

    def pod(self, stage: str) -> ChildPod:
        return next(pod for pod in self.pods if pod.stage == stage and pod.exit is None)

    def child(self, stage: str) -> ChildJob:
        return next(child for child in self.children if child.stage == stage)

    # Inside

    def _assert_nothing_is_due_before_it_wakes(self, rest: Plan) -> None:
        """Nobody looks at a job at rest before the plan asks for it: until then, the plan must stay the same."""
        until = self.now + 30 * 86_400 if rest.wake_at is None else rest.wake_at
        for moment in (self.now + (until - self.now) / 2, until - 0.001):
            later = plan(self.observed(), moment, lambda _spec: self.settings)
            assert later.actions == rest.actions, f"due {moment - self.now} s from now, and not looked at"
            assert later.status is None or later.status.to_json() == self.status.to_json()

    def _words(self, stage: str) -> Words:
        if stage == "prepare":
            return Words("Done", artifact="a-prepare", artifacts={"prepare": "a-prepare", **self.store})
        figures: Mapping[str, Any] = {}
        if stage == "evaluate":
            figures = {"metric": "MacroF1", "weak": 0.6, "strong": 0.7, "gain": [0.1, 0.02, 0.18]}
        if stage == "promote":
            figures = {"promoted": True}
        return Words("Done", artifact=f"a-{self.child(stage).instance}", figures=figures)

    def _create(self, action: CreateRun) -> None:
        refusal = self.refused.get(action.stage.name)
        if refusal and refusal.run in (0, action.run):
            return
        name = f"{action.stage.name}/{action.run}"
        full = f"indemnity-{action.stage.name}-{action.instance[:8]}-{action.run}"
        if any(child.name == full for child in self.children):
            return  # AlreadyExists
        self.created.append(name)
        uid = f"j{len(self.created)}"
        self.children.append(
            ChildJob(
                namespace="legal",
                name=full,
                uid=uid,
                job="indemnity",
                job_uid="u-1",
                stage=action.stage.name,
                stage_key=action.stage.key,
                instance=action.instance,
                run=action.run,
                settings=self.settings.get(action.stage.kind, ""),
                created=self.now,
            )
        )
        self.pods.append(
            ChildPod(
                namespace="legal",
                name=f"{full}-x",
                uid=f"p{len(self.created)}",
                child_uid=uid,
                job="indemnity",
                stage=action.stage.name,
                instance=action.instance,
                created=self.now,
                phase="Pending",
            )
        )

    def _delete(self, action: DeleteChild) -> None:
        child = next(child for child in self.children if child.name == action.name)
        assert child.uid == action.uid
        self.deleted.append((child.stage, action.why))
        if child.condition:
            self.children.remove(child)
            self.pods = [pod for pod in self.pods if pod.child_uid != child.uid]
            return
        # In the background: the Job is gone at once, its pods have their grace period.
        self.children.remove(child)
        self.terminate(*(pod for pod in self.pods if pod.child_uid == child.uid))

    def _ended(self, child: ChildJob, code: int, disrupted: str | None) -> ChildJob:
        if code == 0:
            return replace(child, condition="Complete", ended=self.now)
        rule = 1 if disrupted else 0 if code in (64, 65, 77) else None
        message = f"Pod x matching FailJob rule at index {rule}" if rule is not None else "Job has reached"
        reason = "PodFailurePolicy" if rule is not None else "BackoffLimitExceeded"
        return replace(child, condition="Failed", reason=reason, message=message, ended=self.now)


def stage_names(spec: Mapping[str, Any]) -> list[str]:
    return [stage.name for stage in pipeline(Spec.model_validate(dict(spec)))]


__all__ = ["SPEC", "START", "Cluster", "ExitCode", "Words", "stage_names"]
