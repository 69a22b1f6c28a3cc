"""One stage: which instance of it is meant, and who sees to its last run. Pure."""

from collections.abc import Mapping
from typing import Any

from w2s_api.keys import digest
from w2s_api.pipeline import Stage
from w2s_api.status import FINISHED, StageStatus
from w2s_operator.planning.accounting import account, disrupted
from w2s_operator.planning.outcome import Outcome, outcome, unheard_until
from w2s_operator.planning.review import Review, with_
from w2s_operator.planning.starting import make, start_next
from w2s_operator.planning.watching import stop, watch

_DIGITS = 16
"""Of an instance: it is compared with others of the same job only, and the status holds up to 94."""


def advance(review: Review, stage: Stage) -> None:
    """Brings the record of a stage up to date."""
    record = review.records[stage.name]
    if not all(review.records[need].state in FINISHED for need in stage.needs):
        review.records[stage.name] = _meanwhile(review, stage, record)
        return
    needs = {need: review.records[need].artifact or "" for need in stage.needs}
    instance = _instance(review, stage, needs)
    if record.instance != instance:
        record = StageStatus(name=stage.name, instance=instance)
    record = _adopted(review, stage, record)
    if record.state == "Waiting" and record.artifact:
        record = with_(record, state="Done")  # the same instance again: it is as done as it was
    if record.state not in (*FINISHED, "Failed"):
        record = _follow(review, stage, record, needs)
    review.records[stage.name] = record


def _adopted(review: Review, stage: Stage, record: StageStatus) -> StageStatus:
    """A run that is there though the status does not know of it, as after a status was lost or an edit returned."""
    newest = max(review.children_of(stage, record.instance), key=lambda child: child.run, default=None)
    if newest is None or newest.run <= record.run:
        return record
    ended = None if newest.goes_on else True
    return with_(record, run=newest.run, started=True, ended=ended, state="Waiting")


def _meanwhile(review: Review, stage: Stage, record: StageStatus) -> StageStatus:
    """What a stage needs is being made, or made again: its instance will tell whether what it did still holds."""
    runs = [child for child in review.observed.children if child.stage == stage.name and child.goes_on]
    if runs and review.spec.suspend:
        for child in runs:
            record = stop(review, record, child, "Suspended", "Suspended", "The job is suspended.")
        return record
    last = next(
        (child for child in runs if (child.instance, child.run) == (record.instance, record.run)), None
    )
    if last is not None and not record.ended:
        return watch(review, stage, record, {}, last)
    if runs or record.state == "Failed":
        return record
    return with_(record, state="Waiting", progress=None)


def _instance(review: Review, stage: Stage, needs: Mapping[str, str]) -> str:
    this: list[Any] = [review.job.uid, stage.name, stage.key, needs]
    if stage.kind == "prepare":  # it looks for the artifacts of the whole plan
        plan = digest(sorted(stage.key for stage in review.stages))
        this += [plan, review.job.retry, review.resolutions]
    return digest(this)[:_DIGITS]


def _follow(review: Review, stage: Stage, record: StageStatus, needs: Mapping[str, str]) -> StageStatus:
    """Where the stage's last run stands; the next one, if it is time."""
    child = review.run_of(stage, record)
    if record.run and not record.ended:
        if child is not None:
            pods = review.observed.pods_of(child)
            if (until := unheard_until(child, pods)) and until > review.now:
                review.wake(until)
                return record
            ended = outcome(child, pods)
            if ended is None:
                return watch(review, stage, record, needs, child)
            record = account(review, stage, record, child, ended)
        elif record.started:
            gone = Outcome("Disrupted", "JobVanished", "Its Job was deleted by somebody else.")
            record = disrupted(review, record, gone)
        else:
            return make(review, stage, record, needs)
        if record.state != "Retrying":
            return record
    return start_next(review, stage, record, needs)
