"""A run that is over enters the record of its stage, once.

It is over when its Job has ended and its pods were heard, when its Job has vanished, or when its Job is being deleted
and its node is gone. A stage that is to be tried again is left to the policies that follow.
"""

from w2s_api.status import MOST_MESSAGE
from w2s_operator.observed import ChildJob
from w2s_operator.planning.actions import Decision
from w2s_operator.planning.outcome import NODE_LOST, RunOutcome, outcome, pod_status_deadline
from w2s_operator.planning.records import disrupted, failed, retries, retrying, with_
from w2s_operator.planning.view import StageView
from w2s_operator.times import from_seconds

JOB_VANISHED = RunOutcome("Disrupted", "JobVanished", "Its Job was deleted by somebody else.")


def settle(view: StageView) -> Decision | None:
    """Accounts for the end of the run that is open. While a stage before this one works, that can wait."""
    if not view.is_ready or not view.is_open:
        return None
    child, record = view.last_run, view.record
    if child is None:
        # A run that was decided and never seen is not over: its Job is still to be created.
        return _disrupted(view, JOB_VANISHED) if record.started else None
    heard_by = pod_status_deadline(child, view.pods)
    if heard_by is not None and heard_by > view.now:
        return Decision(record, wakes=(heard_by,))
    ended = outcome(child, view.pods)
    if ended is not None:
        return _account(view, child, ended)
    if child.deleting is None:
        return None
    lost_at = view.lost_at
    if lost_at is not None and lost_at <= view.now:
        return _disrupted(view, NODE_LOST)
    record = with_(record, state="Stopping", reason="JobDeleted", message="Its Job is being deleted.")
    return Decision(record, wakes=() if lost_at is None else (lost_at,))


def _account(view: StageView, child: ChildJob, ended: RunOutcome) -> Decision:
    """The record after a run: done, failed for good, Retrying, or Waiting for an artifact that is gone."""
    view = view.with_record(
        with_(
            view.record,
            ended=True,
            started=True,
            start_time=view.start_time or view.record.start_time,
            completion_time=from_seconds(child.ended or view.now),
            progress=None,
        )
    )
    match ended.verdict:
        case "Done":
            return _done(view, ended)
        case "Final":
            return Decision(failed(view.record, ended.reason, ended.message))
        case "InputGone" | "Lost":
            return _input_lost(view, ended)
        case "Disrupted":
            return _disrupted(view, ended)
        case "Fault":
            return _fault(view, ended)


def _done(view: StageView, ended: RunOutcome) -> Decision:
    words = ended.words
    assert words is not None
    record = with_(
        view.record,
        state="Reused" if words.outcome == "Reused" else "Done",
        artifact=words.artifact,
        reason=None,
        message=None,
        last_end=None,
        retry_time=None,
    )
    return Decision(record, stored=words.artifacts if view.stage.kind == "prepare" else {})


def _input_lost(view: StageView, ended: RunOutcome) -> Decision:
    """The plan is resolved again, some times: `prepare` finds what is still there."""
    if not retries(view.spec).may_resolve_again(view.job.resolutions):
        return Decision(failed(view.record, ended.reason, ended.message), input_lost=True)
    record = with_(view.record, state="Waiting", reason=ended.reason, message=ended.message[:MOST_MESSAGE])
    return Decision(record, input_lost=True)


def _disrupted(view: StageView, ended: RunOutcome) -> Decision:
    return Decision(disrupted(view.record, ended, view.spec, view.now), final=False)


def _fault(view: StageView, ended: RunOutcome) -> Decision:
    failures, message = (view.record.failures or 0) + 1, ended.message[:MOST_MESSAGE]
    record = with_(view.record, failures=failures, reason=ended.reason, message=message, last_end=message)
    if retries(view.spec).is_exhausted(failures, record.disruptions or 0):
        return Decision(failed(record, ended.reason, ended.message))
    return Decision(retrying(record, view.spec, view.now), final=False)
