"""One pass over a job: what follows from what is seen is the status, the actions, and when to look again.

Level-based: only what is seen counts, not what happened.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from pydantic import ValidationError

from w2s_api.names import StageKind
from w2s_api.status import StageStatus, Status
from w2s_operator.manifest import first_problem, is_newer_than_operator, parse
from w2s_operator.observed import Observed, Seconds
from w2s_operator.planning.actions import Action, Decision
from w2s_operator.planning.ending import after_the_end, has_ended, is_invalid
from w2s_operator.planning.orphans import delete_orphaned_runs
from w2s_operator.planning.policies import decide
from w2s_operator.planning.policies.reuse import after_stocktaking
from w2s_operator.planning.records import any_failed
from w2s_operator.planning.view import LOST_AFTER, NEVER, JobView, StageView
from w2s_operator.status.conditions import JobSummary, conclude, wait_for_newer_operator
from w2s_operator.status.results import figures_of


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
    """Decides. Terminal state is looked at first, so that a job that is over costs nothing.

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
        spec, stages = parse(job.spec)
    except ValidationError as error:
        if ended:
            return Plan(None, *after_the_end(observed, now))
        if is_newer_than_operator(error):
            return Plan(wait_for_newer_operator(job, first_problem(error), now))
        return Plan(conclude(job, (), JobSummary(invalid=first_problem(error)), now))
    return _plan_stages(JobView.of(observed, spec, stages, now, settings_hash(job.spec), lost_after))


def _plan_stages(job: JobView) -> Plan:
    """Decides each stage in the order of the pipeline, then what they come to together."""
    records, decisions = _decide_stages(job)
    decided = {delete.name for decision in decisions for delete in decision.deletes}
    records, orphans = delete_orphaned_runs(job, records, decided)
    resolve_again = _must_resolve_again(records, decisions)
    status = conclude(job.job, tuple(records.values()), _summary(job, records, resolve_again), job.now)
    actions: tuple[Action, ...] = (
        *(delete for decision in decisions for delete in decision.deletes),
        *orphans,
        *(decision.create for decision in decisions if decision.create),
    )
    wakes = [job.all_quiet_at, *(wake for decision in decisions for wake in decision.wakes)]
    wakes = [wake for wake in wakes if job.now < wake < NEVER]
    if resolve_again or (not actions and _is_over_now(job, status)):
        wakes.append(job.now)  # on what was decided rests more
    return Plan(status, actions, min(wakes, default=None))


def _is_over_now(job: JobView, status: Status) -> bool:
    return has_ended(replace(job.observed, job=replace(job.job, status=status)))


def _decide_stages(job: JobView) -> tuple[Mapping[str, StageStatus], list[Decision]]:
    """The record of each stage by name, and the decisions; each stage sees what was decided of those before it."""
    records: Mapping[str, StageStatus] = job.records
    stored: Mapping[str, str] = {}
    decisions: list[Decision] = []
    input_lost = False
    for stage in job.stages:
        decision = decide(StageView.of(job, stage, records, stored, input_lost))
        decisions.append(decision)
        records = {**records, stage.name: decision.record}
        input_lost = input_lost or decision.input_lost
        if decision.stored:
            records, stored = after_stocktaking(records, decision.stored, job.always_run)
    return records, decisions


def _must_resolve_again(records: Mapping[str, StageStatus], decisions: list[Decision]) -> bool:
    """Whether an artifact is gone, so that `prepare` gets another instance and is run again."""
    input_lost = any(decision.input_lost for decision in decisions)
    return input_lost and not any_failed(records)


def _summary(job: JobView, records: Mapping[str, StageStatus], resolve_again: bool) -> JobSummary:
    telling = (*job.always_run, *(stage.name for stage in job.stages if stage.kind == "aggregate"))
    instances = {name: records[name].instance for name in telling if name in records}
    return JobSummary(
        fresh=job.is_fresh,
        suspended=job.spec.suspend,
        running=job.all_quiet_at > job.now,
        figures=figures_of(job.observed, instances),
        resolutions=job.resolutions + resolve_again,
        storage=job.spec.storage.uri,
    )
