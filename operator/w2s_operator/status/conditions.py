"""What the status says in short: conditions, and the fields that `kubectl get` prints. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from w2s_api.status import (
    FINISHED,
    MOST_MESSAGE,
    NEVER,
    Condition,
    ConditionStatus,
    ConditionType,
    Results,
    StageStatus,
    Status,
    condition,
)
from w2s_operator.observed import Job, Seconds
from w2s_operator.status.advice import advice
from w2s_operator.status.fitting import fit
from w2s_operator.status.results import gain_in_words, results_of
from w2s_operator.status.verdict import Verdict
from w2s_operator.text import printable
from w2s_operator.times import from_seconds

BUSY = ("Running", "Starting", "Queued", "Stopping", "Retrying")
"""States of a stage that is being worked on, the most telling first."""


@dataclass(frozen=True)
class JobSummary:
    """Where the job stands as a whole, beside its stages."""

    fresh: bool = False
    """Whether this generation of the spec (or this value of the retry annotation) is new."""
    suspended: bool = False
    running: bool = False
    """Whether any child runs."""
    figures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Figures from the last words of stages, by name: of `evaluate` and `promote`, and of those that `advice` asks."""
    resolutions: int = 0
    storage: str = ""
    invalid: str = ""
    """The first rule that the spec breaks; empty if it is valid."""


def is_over(status: Status) -> bool:
    """Whether it says that the job has come to its end, a good or a bad one."""
    complete = condition(status, "Complete")
    return complete is not None and complete.status != "Unknown"


def conclude(job: Job, stages: Sequence[StageStatus], summary: JobSummary, now: Seconds) -> Status:
    """The whole status: all conditions of this generation are written together.

    Args:
        job: its status is the one that was written before.
        stages: as they stand now.
        summary: of the job.
        now: seconds since the epoch.
    """
    before, time = job.status, from_seconds(now)
    resumed = _was(before, "Suspended") and not summary.suspended
    again = summary.fresh and not (stages and all(stage.state in FINISHED for stage in stages))
    complete = _complete(stages, summary)
    failed = complete.status == "False"
    over = complete.status != "Unknown"
    promoted = _promoted(before, stages, summary)
    results = _results(before, stages, summary.figures)
    suspended = summary.suspended and not summary.running and not over
    verdicts = {
        "Complete": complete,
        "Failed": Verdict(_opposite(complete.status), complete.reason, complete.message),
        "Promoted": promoted,
        "Suspended": Verdict("True", "Suspended", "`spec.suspend` is true.")
        if suspended
        else Verdict("False", "NotSuspended"),
        "Reconciling": Verdict("False", complete.reason)
        if over or suspended
        else Verdict("True", "Progressing", complete.message),
        "Stalled": Verdict("True", complete.reason, complete.message)
        if failed
        else Verdict("False", "NotStalled"),
        "Advice": advice(before, summary.figures, _is_current("aggregate", stages)),
    }
    place = f"{summary.storage.rstrip('/')}/jobs/{job.namespace}/{job.name}"
    status = Status(
        observed_generation=job.generation,
        conditions=[_condition(job, type_, verdict, time) for type_, verdict in verdicts.items()],  # type: ignore[arg-type]
        stages=list(stages) if stages else before.stages,
        stage=_stage(stages, over),
        progress=_progress(stages),
        gain=gain_in_words(results),
        results=results,
        model_uri=f"{place}/model/" if promoted.status == "True" else None,
        report_uri=f"{place}/report.html" if _is_current("evaluate", stages) else None,
        start_time=time if again or resumed or not before.start_time else before.start_time,
        completion_time=_end(before, complete.status, time) if over else None,
        retry=job.retry or None,
        resolutions=summary.resolutions or None,
    )
    return fit(status)


def wait_for_newer_operator(job: Job, unknown: str, now: Seconds) -> Status:
    """Returns the status of an unfinished job as it was, with the reason why this operator leaves it alone.

    Nothing is final here: an upgrade brings the CRD first, and fills its defaults into every job.
    """
    message = f"{unknown}: the CRD is of a newer release than the operator. Upgrade the operator."
    before = job.status if job.status.conditions else conclude(job, (), JobSummary(), now)
    waiting = {"reason": "OperatorTooOld", "message": message[:MOST_MESSAGE]}
    conditions = [
        known.model_copy(update=waiting)
        if (known.type, known.status) in (("Complete", "Unknown"), ("Reconciling", "True"))
        else known
        for known in before.conditions
    ]
    return before.model_copy(update={"conditions": conditions})


def _end(before: Status, complete: ConditionStatus, time: str) -> str:
    """When it came to its end; an edit that runs nothing does not change that."""
    old = condition(before, "Complete")
    return before.completion_time or time if old and old.status == complete else time


def _complete(stages: Sequence[StageStatus], summary: JobSummary) -> Verdict:
    if summary.invalid:
        return Verdict("False", "InvalidSpec", f"{summary.invalid}. Correct the manifest and apply it again.")
    for stage in stages:
        if stage.state == "Failed":
            after = f" after {stage.run} runs" if stage.run > 1 else ""
            return Verdict(
                "False",
                stage.reason or "Failed",
                f"Stage {stage.name} failed{after}: {stage.message or stage.reason}"
                " Correct what it names; an edit of the manifest or a new value of the annotation w2s.dev/retry"
                " runs it again.",
            )
    if stages and all(stage.state in FINISHED for stage in stages):
        return Verdict("True", "Finished", "Every stage is done.")
    if summary.suspended:
        what = "Stopping" if summary.running else "Suspended"
        return Verdict("Unknown", what, "`spec.suspend` is true; set it to false to go on.")
    busy = [stage for stage in stages if stage.state in BUSY]
    busy.sort(key=lambda stage: (stage.reason is None, BUSY.index(stage.state)))
    if not busy:
        return Verdict("Unknown", "Pending", "Nothing has been started yet.")
    first = busy[0]
    why = f": {first.message}" if first.message else ""
    last = f". The run before it: {first.last_end}" if first.last_end and first.state != "Retrying" else ""
    return Verdict(
        "Unknown", first.reason or first.state, f"Stage {first.name} is {first.state.lower()}{why}{last}"
    )


def _promoted(before: Status, stages: Sequence[StageStatus], summary: JobSummary) -> Verdict:
    if not _is_current("promote", stages):
        return Verdict("Unknown", "NotDecided")
    promoted = summary.figures.get("promote", {}).get("promoted")
    if promoted is None:
        old = condition(before, "Promoted")
        return Verdict(old.status, old.reason, old.message) if old else Verdict("Unknown", "NotKnown")
    if promoted:
        return Verdict("True", "GatePassed", "The model is published.")
    why = summary.figures["promote"].get("reasons")
    text = (
        "; ".join(printable(str(reason), 200) for reason in why)
        if isinstance(why, (list, tuple)) and why
        else "see the report"
    )
    return Verdict("False", "GateNotPassed", f"The gain is not proven as `promotion` asks: {text}.")


def _results(
    before: Status, stages: Sequence[StageStatus], figures: Mapping[str, Mapping[str, Any]]
) -> Results | None:
    """The results of this plan: new ones, or the ones that the status has, as long as they are current."""
    if not _is_current("evaluate", stages):
        return None
    return results_of(figures["evaluate"]) if figures.get("evaluate") else before.results


def _is_current(name: str, stages: Sequence[StageStatus]) -> bool:
    """Whether the result of a stage is current: it and all before it have their artifacts, though `prepare` may look at
    the store anew."""
    before = [stage for stage in stages if stage.name != "prepare"]
    place = next((place for place, stage in enumerate(before) if stage.name == name), None)
    return place is not None and all(stage.artifact for stage in before[: place + 1])


def _stage(stages: Sequence[StageStatus], over: bool) -> str | None:
    failed = next((stage.name for stage in stages if stage.state == "Failed"), None)
    if failed or over:
        return failed
    busy = [stage for stage in stages if stage.state in BUSY]
    return min(busy, key=lambda stage: BUSY.index(stage.state)).name if busy else None


def _progress(stages: Sequence[StageStatus]) -> str | None:
    """How many stages are finished, and how far the running one is."""
    if not stages:
        return None
    done = sum(stage.state in FINISHED for stage in stages)
    running = next((stage.progress for stage in stages if stage.progress and stage.progress.total), None)
    within = f" ({100 * running.step // running.total} %)" if running else ""
    return f"{done}/{len(stages)}{within}"


def _condition(job: Job, type_: ConditionType, verdict: Verdict, time: str) -> Condition:
    old = condition(job.status, type_)
    lasts = old is not None and old.status == verdict.status and old.last_transition_time != NEVER
    since = old.last_transition_time if old and lasts else time
    return Condition(
        type=type_,
        status=verdict.status,
        reason=verdict.reason[:64],
        message=verdict.message[:MOST_MESSAGE],
        last_transition_time=since,
        observed_generation=job.generation,
    )


def _opposite(status: ConditionStatus) -> ConditionStatus:
    opposites: dict[ConditionStatus, ConditionStatus] = {"True": "False", "False": "True"}
    return opposites.get(status, "Unknown")


def _was(status: Status, type_: ConditionType) -> bool:
    known = condition(status, type_)
    return known is not None and known.status == "True"
