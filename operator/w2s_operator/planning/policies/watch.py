"""A run in progress: where it stands, what holds it up, and how far it is.

Whoever looks at a job that does not start must not have to look at its pods: the status names what they wait for.
"""

from w2s_api.status import MOST_MESSAGE
from w2s_operator.observed import Seconds
from w2s_operator.planning.actions import Decision
from w2s_operator.planning.records import with_
from w2s_operator.planning.run_state import NO_POD_AFTER, no_pod, run_state, sidecar_overdue
from w2s_operator.planning.view import StageView


def watch(view: StageView) -> Decision | None:
    """Reports the state of the run."""
    child, pods, record = view.running, view.pods, view.record
    if child is None:
        return None
    wakes: list[Seconds] = []
    state, problem = run_state(child, pods)
    if state == "Starting" and not pods and not record.start_time:
        due = child.admitted + NO_POD_AFTER
        wakes.append(due)
        problem = no_pod(child) if due <= view.now else None
    if overdue := sidecar_overdue(pods):
        due, sidecar = overdue
        wakes.append(due)
        problem = sidecar if due <= view.now else problem
    reported = view.job.observed.progress
    progress = [reported[pod.name] for pod in pods if pod.name in reported]
    record = with_(
        record,
        state=state,
        started=True,
        reason=problem.reason if problem else None,
        message=problem.message[:MOST_MESSAGE] if problem else None,
        start_time=view.start_time or record.start_time,
        progress=min(progress, key=lambda shard: shard.step / max(shard.total, 1), default=record.progress),
        retry_time=None,
    )
    return Decision(record, wakes=tuple(wakes))
