"""The changes that policies make to the record of a stage."""

from collections.abc import Mapping
from typing import Any

from w2s_api.retry import RetryPolicy
from w2s_api.spec.job import Spec
from w2s_api.status import MOST_MESSAGE, StageState, StageStatus
from w2s_operator.observed import Seconds
from w2s_operator.planning.outcome import RunOutcome
from w2s_operator.times import from_seconds, to_seconds


def retries(spec: Spec) -> RetryPolicy:
    """How the stages of a job are tried again: disruptions are normal on a cluster, and end nothing."""
    return RetryPolicy(
        max_failures=spec.execution.max_retries,
        max_disruptions=None,
        max_resolutions=3,
        failure_backoff=spec.execution.retry_backoff_seconds,
        disruption_backoff=1.0,
        longest_backoff=300.0,
    )


def any_failed(records: Mapping[str, StageStatus]) -> bool:
    """Whether a stage of the job has failed for good."""
    return any(record.state == "Failed" for record in records.values())


def with_(record: StageStatus, **changes: Any) -> StageStatus:
    """A record with changes."""
    return record.model_copy(update=changes)


def failed(record: StageStatus, reason: str, message: str) -> StageStatus:
    """The stage has failed for good: until the spec or the retry annotation is another."""
    return with_(
        record,
        state="Failed",
        ended=True,
        reason=reason[:64],
        message=message[:MOST_MESSAGE],
        progress=None,
        retry_time=None,
    )


def stopped(record: StageStatus, state: StageState, reason: str, message: str) -> StageStatus:
    """We ended its run: nothing is charged, and the next run resumes from its checkpoint."""
    return with_(record, state=state, ended=True, reason=reason, message=message, progress=None)


def disrupted(record: StageStatus, ended: RunOutcome, spec: Spec, now: Seconds) -> StageStatus:
    """Something outside ended its run: that is counted and not charged, and it is tried again."""
    message = ended.message[:MOST_MESSAGE]
    lasted = now - to_seconds(record.start_time) if record.start_time else 0.0
    record = with_(
        record,
        ended=True,
        disruptions=(record.disruptions or 0) + 1,
        reason=ended.reason,
        message=message,
        last_end=message,
        progress=None,
    )
    return retrying(record, spec, now, lasted)


def retrying(record: StageStatus, spec: Spec, now: Seconds, lasted: Seconds = 0.0) -> StageStatus:
    """It is tried again after a wait; `lasted` is how long a run had that was disrupted."""
    wait = retries(spec).backoff(record.failures or 0, record.disruptions or 0, lasted)
    return with_(record, state="Retrying", retry_time=from_seconds(now + wait))


def next_run(record: StageStatus) -> StageStatus:
    """Its next run has a number, and nothing is known of it yet."""
    return with_(
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


def renewed(record: StageStatus) -> StageStatus:
    """What failed or was about to be tried again has a new budget, and is tried at once."""
    if not (record.failures or record.disruptions or record.state == "Failed"):
        return record
    return with_(
        record,
        failures=None,
        disruptions=None,
        state="Waiting" if record.state in ("Failed", "Retrying") else record.state,
        retry_time=None,
        reason=None,
        message=None,
    )
