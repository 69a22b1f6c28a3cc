"""Why a run has not started: the first pod that has a problem, in the words of who stopped it. Pure."""

from collections.abc import Sequence

from w2s_api.status import StageState
from w2s_operator.planning.observed import ChildJob, ChildPod, Problem

NO_POD_AFTER = 30.0
"""Seconds after which a Job that has made no pod is told: a busy cluster takes its time."""


def start_state(child: ChildJob, pods: Sequence[ChildPod]) -> tuple[StageState, Problem | None]:
    """Where a run that has not ended stands, and what is in its way."""
    if child.suspended:
        return "Queued", Problem("WaitingForAdmission", "The queue has not admitted it yet.")
    alive = [pod for pod in pods if pod.deleting is None]
    problem = next((pod.problem for pod in alive if pod.problem), None)
    if any(pod.started is not None for pod in alive):
        return "Running", problem  # also when its container has ended and the Job does not know it yet
    if child.deleting is not None or (pods and not alive):
        return "Stopping", None
    return "Starting", problem


def no_pod(child: ChildJob) -> Problem:
    """A Job that was admitted and makes no pod: why is in its Events only, which we do not read."""
    return Problem(
        "NoPod",
        f"Job {child.name} has made no pod, as where a quota or an admission rule refuses it."
        f" `kubectl describe job {child.name}` says why.",
    )
