"""How the end of a run enters the record of its stage, once. Pure."""

from w2s_api.pipeline import Stage
from w2s_api.status import MOST_MESSAGE, StageStatus
from w2s_operator.planning.observed import ChildJob, Seconds
from w2s_operator.planning.outcome import Outcome
from w2s_operator.planning.resolution import resolve
from w2s_operator.planning.retries import MAX_RESOLUTIONS, may_retry, wait_before_retry
from w2s_operator.planning.review import Review, with_
from w2s_operator.planning.times import from_seconds, to_seconds


def account(
    review: Review, stage: Stage, record: StageStatus, child: ChildJob, ended: Outcome
) -> StageStatus:
    """The record after a run: done, failed for good, Retrying, or Waiting for an artifact that is gone."""
    record = with_(
        record,
        ended=True,
        started=True,
        start_time=review.began(child) or record.start_time,
        completion_time=from_seconds(child.ended or review.now),
        progress=None,
    )
    match ended.verdict:
        case "Done":
            return _done(review, stage, record, ended)
        case "Final":
            return failed(record, ended.reason, ended.message)
        case "InputGone" | "Lost":
            review.lost = ended
            if review.resolutions >= MAX_RESOLUTIONS:
                return failed(record, ended.reason, ended.message)
            return with_(record, state="Waiting", reason=ended.reason, message=ended.message[:MOST_MESSAGE])
        case "Disrupted":
            return disrupted(review, record, ended)
        case "Fault":
            return _fault(review, record, ended)


def disrupted(review: Review, record: StageStatus, ended: Outcome) -> StageStatus:
    """Something outside ended it: counted, and not charged."""
    record = with_(
        record,
        ended=True,
        disruptions=(record.disruptions or 0) + 1,
        reason=ended.reason,
        message=ended.message[:MOST_MESSAGE],
        last_end=ended.message[:MOST_MESSAGE],
        progress=None,
    )
    lasted = review.now - to_seconds(record.start_time) if record.start_time else 0.0
    return _retry(review, record, lasted)


def failed(record: StageStatus, reason: str, message: str) -> StageStatus:
    """For good: until the spec or the retry annotation is another."""
    return with_(
        record,
        state="Failed",
        ended=True,
        reason=reason[:64],
        message=message[:MOST_MESSAGE],
        progress=None,
        retry_time=None,
    )


def _done(review: Review, stage: Stage, record: StageStatus, ended: Outcome) -> StageStatus:
    assert ended.words is not None
    if stage.kind == "prepare":
        resolve(review, ended.words.artifacts)
    return with_(
        record,
        state="Reused" if ended.words.outcome == "Reused" else "Done",
        artifact=ended.words.artifact,
        reason=None,
        message=None,
        last_end=None,
        retry_time=None,
    )


def _fault(review: Review, record: StageStatus, ended: Outcome) -> StageStatus:
    failures = (record.failures or 0) + 1
    said = ended.message[:MOST_MESSAGE]
    record = with_(record, failures=failures, reason=ended.reason, message=said, last_end=said)
    if not may_retry(failures, review.spec.execution.max_retries):
        return failed(record, ended.reason, ended.message)
    return _retry(review, record)


def _retry(review: Review, record: StageStatus, lasted: Seconds = 0.0) -> StageStatus:
    wait = wait_before_retry(
        record.failures or 0,
        record.disruptions or 0,
        review.spec.execution.retry_backoff_seconds,
        lasted,
    )
    return with_(record, state="Retrying", retry_time=from_seconds(review.now + wait))
