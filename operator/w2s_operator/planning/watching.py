"""A run that goes on: what stops it from our side, and what is said of it. Pure."""

from collections.abc import Mapping

from w2s_api.pipeline import Stage
from w2s_api.status import MOST_MESSAGE, StageProgress, StageState, StageStatus
from w2s_operator.planning.accounting import disrupted, failed
from w2s_operator.planning.deadlines import pending_deadline
from w2s_operator.planning.observed import ChildJob, ChildPod
from w2s_operator.planning.outcome import Outcome
from w2s_operator.planning.review import Review, with_
from w2s_operator.planning.sidecars import overdue
from w2s_operator.planning.starting import past_active_deadline, start_next
from w2s_operator.planning.startup import NO_POD_AFTER, no_pod, start_state

NODE_LOST = Outcome("Disrupted", "NodeLost", "Its node is gone.")


def watch(
    review: Review, stage: Stage, record: StageStatus, needs: Mapping[str, str], child: ChildJob
) -> StageStatus:
    """The record of a run that has not ended."""
    pods = review.observed.pods_of(child)
    lost = _is_lost(review, pods)
    if child.deleting is not None:
        if lost:
            return start_next(review, stage, disrupted(review, record, NODE_LOST), needs)
        return with_(record, state="Stopping", reason="JobDeleted", message="Its Job is being deleted.")
    if review.spec.suspend:
        return stop(review, record, child, "Suspended", "Suspended", "The job is suspended.")
    started = any(pod.started is not None for pod in pods)
    if not started and child.settings != review.settings.get(stage.kind, child.settings):
        return stop(review, record, child, "Waiting", "SettingsChanged", "Its pod settings were changed.")
    if lost:
        review.delete(child, "NodeLost")
        return disrupted(review, record, NODE_LOST)
    if review.past_active_deadline():
        review.delete(child, "ActiveDeadlineExceeded")
        return past_active_deadline(review, record)
    return _pending_for_too_long(review, record, child, pods) or _said(review, record, child, pods)


def stop(
    review: Review, record: StageStatus, child: ChildJob, state: StageState, reason: str, message: str
) -> StageStatus:
    """Ends a run on our own account: nothing is charged, and what it saved is gone on from."""
    review.delete(child, reason)
    return with_(record, state=state, ended=True, reason=reason, message=message, progress=None)


def _is_lost(review: Review, pods: tuple[ChildPod, ...]) -> bool:
    until = [when for pod in pods if (when := review.lost_at(pod)) is not None]
    for when in until:
        review.wake(when)
    return bool(until) and min(until) <= review.now


def _pending_for_too_long(
    review: Review, record: StageStatus, child: ChildJob, pods: tuple[ChildPod, ...]
) -> StageStatus | None:
    limit = review.spec.execution.pending_deadline_seconds
    due = pending_deadline(child, pods, limit)
    if due is None:
        return None
    if due > review.now:
        review.wake(due)
        return None
    _, problem = start_state(child, pods)
    why = f" ({problem.reason}: {problem.message})" if problem else ""
    review.delete(child, "PendingDeadlineExceeded")
    return failed(record, "PendingDeadlineExceeded", f"Its pod did not start within {limit} s{why}.")


def _said(review: Review, record: StageStatus, child: ChildJob, pods: tuple[ChildPod, ...]) -> StageStatus:
    state, problem = start_state(child, pods)
    if state == "Starting" and not pods and not record.start_time:
        due = child.admitted + NO_POD_AFTER
        review.wake(due)
        problem = no_pod(child) if due <= review.now else None
    if held_up := overdue(pods):
        due, sidecar = held_up
        review.wake(due)
        problem = sidecar if due <= review.now else problem
    known = review.observed.progress
    progress: list[StageProgress] = [known[pod.name] for pod in pods if pod.name in known]
    return with_(
        record,
        state=state,
        started=True,
        reason=problem.reason if problem else None,
        message=problem.message[:MOST_MESSAGE] if problem else None,
        start_time=review.began(child) or record.start_time,
        progress=min(progress, key=lambda one: one.step / max(one.total, 1)) if progress else record.progress,
        retry_time=None,
    )
