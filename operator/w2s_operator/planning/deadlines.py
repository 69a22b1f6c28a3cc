"""Deadlines: of a pod that waits to start, and of a job that runs. Pure."""

from collections.abc import Sequence

from w2s_operator.planning.observed import ChildJob, ChildPod, Seconds

LOST_AFTER = 60.0
"""Seconds past its grace period after which a pod that is still there is on a lost node."""


def pending_deadline(child: ChildJob, pods: Sequence[ChildPod], seconds: int | None) -> Seconds | None:
    """When a run that has not started has waited for too long; None where it may wait.

    Waiting in a queue does not count: the clock runs from the admission.
    """
    if seconds is None or child.suspended or any(pod.started is not None for pod in pods):
        return None
    return max([child.admitted, *(pod.created for pod in pods)]) + seconds


def lost_at(pod: ChildPod, after: float = LOST_AFTER) -> Seconds | None:
    """When a pod that is being deleted must be taken for lost with its node.

    Args:
        pod: its `deleting` is when its grace period is over.
        after: seconds past that.
    """
    has_ended = pod.phase in ("Succeeded", "Failed")  # not merely its container: others may hold it up
    return None if pod.deleting is None or has_ended else pod.deleting + after
