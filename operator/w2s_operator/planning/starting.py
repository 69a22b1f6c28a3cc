"""The next run of a stage: what may be in its way, its number, and how it is asked for. Pure."""

from collections.abc import Mapping

from w2s_api.pipeline import Stage
from w2s_api.status import MOST_MESSAGE, StageStatus
from w2s_operator.planning.accounting import failed
from w2s_operator.planning.actions import CreateRun
from w2s_operator.planning.review import Review, with_
from w2s_operator.planning.times import to_seconds


def start_next(review: Review, stage: Stage, record: StageStatus, needs: Mapping[str, str]) -> StageStatus:
    """Begins the next run if nothing is in its way."""
    if stage.name in review.found:
        return _reused(record, review.found[stage.name])
    if review.spec.suspend:
        return with_(record, state="Suspended", retry_time=None)
    if record.state == "Suspended":
        record = with_(record, state="Waiting", reason=None, message=None)
    if review.failed() or (stage.kind != "prepare" and review.lost):
        return record
    if review.past_active_deadline():
        return past_active_deadline(review, record)
    if record.retry_time and to_seconds(record.retry_time) > review.now:
        review.wake(to_seconds(record.retry_time))
        return record
    old = review.children_of(stage, record.instance)
    if any(child.goes_on for child in old):
        return record  # it runs, though nobody wrote it down: it is watched first
    if _pods_are_left(review, record):
        return with_(record, state="Stopping")
    for child in old:
        if child.deleting is None:
            review.delete(child, "NextRun")
    record = with_(
        record,
        run=record.run + 1,
        state="Starting",
        started=None,
        ended=None,
        retry_time=None,
        reason=None,
        message=None,
        progress=None,
        completion_time=None,
        start_time=None,
    )
    return make(review, stage, record, needs)


def make(review: Review, stage: Stage, record: StageStatus, needs: Mapping[str, str]) -> StageStatus:
    """Asks for the Job of a run that was decided. Asking twice makes one, for its name is decided too."""
    if review.spec.suspend:
        return with_(record, state="Suspended")
    if review.failed():
        return record
    if review.past_active_deadline():
        return past_active_deadline(review, record)
    refusal = review.observed.refused.get(stage.name)
    if refusal and refusal.run == record.run and refusal.instance == record.instance:
        if refusal.final:
            return failed(record, refusal.reason, refusal.message)
        record = with_(record, reason=refusal.reason[:64], message=refusal.message[:MOST_MESSAGE])
    record = with_(record, state="Starting")
    if _pods_are_left(review, record):
        return record  # it was made: its Job is gone already, or is not seen yet
    review.creates.append(CreateRun(review.spec, stage, record.instance, record.run, dict(needs)))
    return record


def past_active_deadline(review: Review, record: StageStatus) -> StageStatus:
    """The job has run for as long as it may: its stage fails."""
    limit = review.spec.execution.active_deadline_seconds
    return failed(record, "ActiveDeadlineExceeded", f"The job ran for longer than {limit} s.")


def _pods_are_left(review: Review, record: StageStatus) -> bool:
    """Whether a pod of an earlier run may still write."""
    return review.pods_are_left(pod for pod in review.observed.pods if pod.instance == record.instance)


def _reused(record: StageStatus, artifact: str) -> StageStatus:
    return with_(record, state="Reused", artifact=artifact, ended=True, reason=None, message=None)
