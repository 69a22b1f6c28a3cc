"""Why a run has not started: the first pod that has a problem, in the words of who stopped it. Pure."""

from collections.abc import Sequence

from w2s_api.status import StageState
from w2s_operator.planning.observed import ChildJob, ChildPod, Problem


def start_state(child: ChildJob, pods: Sequence[ChildPod]) -> tuple[StageState, Problem | None]:
    """Where a run that has not ended stands, and what is in its way."""
    if child.suspended:
        return "Queued", Problem("WaitingForAdmission", "The queue has not admitted it yet.")
    alive = [pod for pod in pods if pod.deleting is None]
    problem = next((pod.problem for pod in alive if pod.problem), None)
    if any(pod.running for pod in alive):
        return "Running", problem
    if child.deleting is not None:
        return "Stopping", None
    return "Starting", problem
