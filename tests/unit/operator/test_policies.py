"""Waiting times, deadlines and reasons: the small policies, each by a table."""

from typing import Any

import pytest
from operator_kit import SPEC

from w2s_api.retry import RetryPolicy
from w2s_api.spec.job import Spec
from w2s_operator.observed import ChildJob, ChildPod, Exit, PodProblem
from w2s_operator.planning.policies.deadline import pending_deadline
from w2s_operator.planning.records import retries
from w2s_operator.planning.run_state import run_state
from w2s_operator.planning.view import lost_at

JOB = {"namespace": "legal", "name": "j", "uid": "j", "job": "indemnity", "job_uid": "u", "stage": "train",
       "stage_key": "k", "instance": "i", "run": 1, "settings": "", "created": 100.0}  # fmt: skip
POD = {"namespace": "legal", "name": "p", "uid": "p", "child_uid": "j", "job": "indemnity",
       "stage": "train", "instance": "i", "created": 110.0, "phase": "Pending"}  # fmt: skip


def child(**more: object) -> ChildJob:
    return ChildJob(**(JOB | more))  # type: ignore[arg-type]


def pod(**more: object) -> ChildPod:
    return ChildPod(**(POD | more))  # type: ignore[arg-type]


def policy(**execution: Any) -> RetryPolicy:
    return retries(Spec.model_validate({**SPEC, "execution": execution}))


@pytest.mark.parametrize(
    ("failures", "disruptions", "wait"),
    [(0, 0, 0), (1, 0, 10), (2, 0, 20), (3, 0, 40), (6, 0, 300), (40, 0, 300),
     (0, 1, 1), (0, 2, 2), (0, 4, 8), (0, 10, 300), (0, 90, 300), (1, 5, 16), (2, 2, 20)],
)  # fmt: skip
def test_waits_double_and_are_capped(failures: int, disruptions: int, wait: float):
    assert policy(retryBackoffSeconds=10).backoff(failures, disruptions) == wait


@pytest.mark.parametrize(("lasted", "wait"), [(299, 300), (300, 1)])
def test_a_run_that_lasted_before_it_was_disrupted_waits_no_longer_than_the_first(lasted: float, wait: float):
    assert policy(retryBackoffSeconds=10).backoff(0, 90, lasted) == wait


@pytest.mark.parametrize(
    ("failures", "most", "again"), [(1, 0, False), (1, 1, True), (2, 1, False), (2, 2, True)]
)
def test_the_budget_counts_retries_not_runs(failures: int, most: int, again: bool):
    assert policy(maxRetries=most).is_exhausted(failures, 90) is not again


@pytest.mark.parametrize(
    ("job", "pods", "due"),
    [
        (child(), [], 130.0),
        (child(), [pod()], 140.0),
        (child(), [pod(), pod(created=150.0)], 180.0),
        (child(), [pod(started=120.0)], None),
        (child(suspended=True), [], None),
        (child(began=500.0), [], 530.0),  # a queue has just admitted it, after a long wait
        (child(began=500.0), [pod(created=501.0)], 531.0),
    ],
)
def test_the_pending_deadline_runs_from_the_admission(job: ChildJob, pods: list[ChildPod], due: float | None):
    assert pending_deadline(job, pods, 30) == due
    assert pending_deadline(job, pods, None) is None


def test_a_pod_is_lost_some_time_after_its_grace_period():
    assert lost_at(pod()) is None
    assert lost_at(pod(deleting=200.0)) == 260.0
    assert lost_at(pod(deleting=200.0), 5) == 205.0
    assert lost_at(pod(deleting=200.0, exit=Exit(0), phase="Succeeded")) is None
    assert lost_at(pod(deleting=200.0, exit=Exit(0), phase="Running")) == 260.0  # a sidecar holds it up


TROUBLE = PodProblem("Unschedulable", "0/4 nodes")


@pytest.mark.parametrize(
    ("job", "pods", "state", "reason"),
    [
        (child(), [], "Starting", None),
        (child(), [pod()], "Starting", None),
        (child(), [pod(problem=TROUBLE)], "Starting", "Unschedulable"),
        (child(), [pod(started=1.0)], "Running", None),
        (child(), [pod(started=1.0), pod(problem=TROUBLE)], "Running", "Unschedulable"),
        (child(), [pod(deleting=9.0, problem=TROUBLE)], "Stopping", None),
        (child(suspended=True), [pod(problem=TROUBLE)], "Queued", "WaitingForAdmission"),
    ],
)
def test_where_a_run_stands(job: ChildJob, pods: list[ChildPod], state: str, reason: str | None):
    stage, problem = run_state(job, pods)
    assert (stage, problem and problem.reason) == (state, reason)
