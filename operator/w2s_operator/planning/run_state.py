"""Where a run that has not ended stands, and what holds it up."""

from collections.abc import Sequence

from w2s_api.status import StageState
from w2s_operator.observed import ChildJob, ChildPod, PodProblem, Seconds

NO_POD_AFTER = 30.0
"""Seconds after which a Job that has made no pod is reported: a busy cluster takes its time."""
SIDECAR_AFTER = 60.0
"""Seconds after the end of the stage's container after which its pod should have ended too."""


def run_state(child: ChildJob, pods: Sequence[ChildPod]) -> tuple[StageState, PodProblem | None]:
    """Where a run that has not ended stands, and what is in its way: the first pod that has a problem."""
    if child.suspended:
        return "Queued", PodProblem("WaitingForAdmission", "The queue has not admitted it yet.")
    alive = [pod for pod in pods if pod.deleting is None]
    problem = next((pod.problem for pod in alive if pod.problem), None)
    if any(pod.started is not None for pod in alive):
        return "Running", problem  # also when its container has ended and the Job does not know it yet
    if child.deleting is not None or (pods and not alive):
        return "Stopping", None
    return "Starting", problem


def no_pod(child: ChildJob) -> PodProblem:
    """A Job that was admitted and makes no pod: why is in its Events only, which we do not read."""
    return PodProblem(
        "NoPod",
        f"Job {child.name} has made no pod, as where a quota or an admission rule refuses it."
        f" `kubectl describe job {child.name}` says why.",
    )


def sidecar_overdue(pods: Sequence[ChildPod]) -> tuple[Seconds, PodProblem] | None:
    """A container beside the stage's own, such as a sidecar of a mesh, that keeps its pod from ending.

    Returns:
        When that becomes a problem, and the problem; None if no stage has ended in a pod that still runs.
    """
    ended = [
        (pod.exit.ended, pod.name)
        for pod in pods
        if pod.exit is not None and pod.exit.ended is not None and pod.phase == "Running"
    ]
    if not ended:
        return None
    since, name = min(ended)
    message = (
        f"The stage has ended, and its pod {name} still runs: a container beside it does not end, such as a"
        ' sidecar that a mesh injects. Keep it out (for Istio: `pods.default.labels: {sidecar.istio.io/inject: "false"}`)'
        " or let the mesh inject native sidecars."
    )
    return since + SIDECAR_AFTER, PodProblem("SidecarStillRuns", message)
