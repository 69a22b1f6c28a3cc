"""Nothing runs, or waits to start, for longer than it may: `execution.activeDeadlineSeconds` and
`execution.pendingDeadlineSeconds`.

Both are ours and not the Job's: its clock would begin anew with each run, and would count the time in a queue.
"""

from collections.abc import Sequence

from w2s_operator.observed import ChildJob, ChildPod, Seconds
from w2s_operator.planning.actions import Decision, DeleteChild
from w2s_operator.planning.records import failed
from w2s_operator.planning.run_state import run_state
from w2s_operator.planning.view import StageView


def deadline(view: StageView) -> Decision | None:
    """Fails a stage for which the time of the job, or of its pod that does not start, is over."""
    limits = view.spec.execution
    active = view.job.active_deadline
    if active is not None and active <= view.now:
        message = f"The job ran for longer than {limits.active_deadline_seconds} s."
        return _exceeded(view, "ActiveDeadlineExceeded", message)
    pending = None
    if child := view.running:
        pending = pending_deadline(child, view.pods, limits.pending_deadline_seconds)
        if pending is not None and pending <= view.now:
            _, problem = run_state(child, view.pods)
            why = f" ({problem.reason}: {problem.message})" if problem else ""
            message = f"Its pod did not start within {limits.pending_deadline_seconds} s{why}."
            return _exceeded(view, "PendingDeadlineExceeded", message)
    wakes = tuple(due for due in (active, pending) if due is not None)
    return Decision(view.record, final=False, wakes=wakes) if wakes else None


def pending_deadline(child: ChildJob, pods: Sequence[ChildPod], seconds: int | None) -> Seconds | None:
    """When a run that has not started has waited for too long; None where it may wait.

    Waiting in a queue does not count: the clock runs from the admission.
    """
    if seconds is None or child.suspended or any(pod.started is not None for pod in pods):
        return None
    return max([child.admitted, *(pod.created for pod in pods)]) + seconds


def _exceeded(view: StageView, reason: str, message: str) -> Decision:
    child = view.running
    deletes = (DeleteChild.of(child, reason),) if child is not None else ()
    return Decision(failed(view.record, reason, message), deletes=deletes)
