"""A job that is over: nothing is made again for it, and what is left of it goes."""

from w2s_api.status import Status, condition
from w2s_operator.manifest import ttl_after_finished
from w2s_operator.observed import ChildJob, Observed, Seconds
from w2s_operator.planning.actions import Action, DeleteSelf, ReleaseChildren
from w2s_operator.status.conditions import BUSY, is_over
from w2s_operator.times import to_seconds


def has_ended(observed: Observed) -> bool:
    """Whether this spec and this value of the retry annotation are done with, and so is what was run for them."""
    status, job = observed.job.status, observed.job
    return (
        is_over(status)
        and status.observed_generation == job.generation
        and (status.retry or "") == job.retry
        and not any(child.is_live or _is_unsettled(child, status) for child in observed.children)
    )


def is_invalid(status: Status) -> bool:
    """Whether it ended because its spec broke a rule: a newer operator may have another opinion."""
    complete = condition(status, "Complete")
    return complete is not None and complete.reason == "InvalidSpec"


def after_the_end(observed: Observed, now: Seconds) -> tuple[tuple[Action, ...], Seconds | None]:
    """What remains to be done, and when to look again: children go after a good end, the job after its TTL."""
    job = observed.job
    ttl = ttl_after_finished(job.spec)
    if ttl is None or not job.status.completion_time:
        return _release(observed), None
    due = to_seconds(job.status.completion_time) + ttl
    return ((DeleteSelf(),), None) if due <= now else (_release(observed), due)


def _is_unsettled(child: ChildJob, status: Status) -> bool:
    """Tells whether a run has ended that is still in progress by the status, as beside a stage that failed."""
    return child.condition is not None and any(
        (stage.instance, stage.run) == (child.instance, child.run) and stage.state in BUSY and not stage.ended
        for stage in status.stages
    )


def _release(observed: Observed) -> tuple[Action, ...]:
    """Releases the children after a good end; after a bad one the failed Job stays, for its logs."""
    complete = condition(observed.job.status, "Complete")
    left = any(child.deleting is None for child in observed.children)
    return (ReleaseChildren(),) if complete and complete.status == "True" and left else ()
