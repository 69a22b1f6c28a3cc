"""What follows from what is seen: the next actions, the status, and when to look again. Pure.

A stage has instances: its settings (the stage key) with the artifacts it reads. A run of an instance is one
Job. The status holds the number of the last run and whether its end is accounted for, and is written before
anything is created: whoever comes next, after a crash or beside this process, finds what was decided.

    plan        what a job that is over needs (ending), else one pass over its stages
      stages      which instance a stage has, and where its last run stands
        watching    a run that goes on: what may stop it
        accounting  a run that has ended: what it counts as
        starting    the next run: what may be in its way
      strangers   runs that the spec no longer means
    conditions  what all that comes to
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from pydantic import ValidationError

from w2s_api.names import StageKind
from w2s_api.pipeline import Stage, pipeline
from w2s_api.spec import Spec
from w2s_api.status import Status
from w2s_operator.planning.actions import Action
from w2s_operator.planning.conditions import Standing, conclude, wait_for_newer_operator
from w2s_operator.planning.deadlines import LOST_AFTER
from w2s_operator.planning.ending import after_the_end, has_ended, is_invalid
from w2s_operator.planning.figures import figures
from w2s_operator.planning.observed import Observed, Seconds
from w2s_operator.planning.resolution import resolve_again
from w2s_operator.planning.review import Review
from w2s_operator.planning.stages import advance
from w2s_operator.planning.strangers import stop_strangers


@dataclass(frozen=True)
class Plan:
    """What is to be done now."""

    status: Status | None = None
    """The status as it should be; None leaves it alone."""
    actions: tuple[Action, ...] = ()
    """To be done in order, after the status is written."""
    wake_at: Seconds | None = None
    """When to look again if nothing happens before."""


def plan(
    observed: Observed,
    now: Seconds,
    settings_hash: Callable[[bytes], Mapping[StageKind, str]] = lambda _spec: {},
    lost_after: Seconds = LOST_AFTER,
) -> Plan:
    """Decides. Level-based: only what is seen counts, not what happened.

    Args:
        observed: the job and its children.
        now: seconds since the epoch.
        settings_hash: of a spec, the hash of the pod settings of each kind of stage, as a new run would be made
            with. A job that is over is not asked about.
        lost_after: seconds past its grace period after which a pod that is still there is on a lost node.
    """
    job = observed.job
    if job.deleting or job.hands_off:
        return Plan()
    ended = has_ended(observed)
    if ended and not is_invalid(job.status):
        return Plan(None, *after_the_end(observed, now))
    try:
        spec, stages = understood(job.spec)
    except ValidationError as error:
        if ended:
            return Plan(None, *after_the_end(observed, now))
        if _is_newer(error):
            return Plan(wait_for_newer_operator(job, _first_error(error), now))
        return Plan(conclude(job, (), Standing(invalid=_first_error(error)), now))
    return _of_stages(Review.of(observed, spec, stages, now, settings_hash(job.spec), lost_after))


@lru_cache(maxsize=128)
def understood(spec: bytes) -> tuple[Spec, tuple[Stage, ...]]:
    """A spec and the stages it means.

    Args:
        spec: JSON. What is known of many jobs at once is kept, since each is planned many times.

    Raises:
        ValidationError: it breaks a rule that the API server does not know.
    """
    found = Spec.model_validate_json(spec)
    return found, pipeline(found)


def _of_stages(review: Review) -> Plan:
    for stage in review.stages:
        advance(review, stage)
    resolve_again(review)
    stop_strangers(review)
    status = conclude(review.job, tuple(review.records.values()), _standing(review), review.now)
    actions: tuple[Action, ...] = (*review.deletes, *review.creates)
    if not actions and has_ended(replace(review.observed, job=replace(review.job, status=status))):
        review.look_again()
    return Plan(status, actions, min(review.wakes, default=None))


def _standing(review: Review) -> Standing:
    return Standing(
        fresh=review.fresh,
        suspended=review.spec.suspend,
        running=review.runs_anything(),
        figures=figures(review),
        resolutions=review.resolutions,
        storage=review.spec.storage.uri,
    )


def _is_newer(error: ValidationError) -> bool:
    """Whether the API server took fields that nobody here knows: those of a newer release's CRD."""
    return any(one["type"] == "extra_forbidden" for one in error.errors())


def _first_error(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"spec.{where}: {first['msg']}"
