"""What the store has already is not made again: no GPU is asked for merely to say "reused".

`prepare` runs for each new plan and says which of its artifacts are complete.
"""

from collections.abc import Collection, Mapping

from w2s_api.status import FINISHED, StageStatus
from w2s_operator.planning.actions import Decision
from w2s_operator.planning.records import with_
from w2s_operator.planning.view import StageView


def reuse(view: StageView) -> Decision | None:
    """Takes the artifact that `prepare` has found, unless a run is at work on it."""
    if view.stored is None or not view.is_ready or view.is_open:
        return None
    record = view.record
    return Decision(
        with_(record, state="Reused", artifact=view.stored, ended=True, reason=None, message=None)
    )


def after_stocktaking(
    records: Mapping[str, StageStatus], stored: Mapping[str, str], always_run: Collection[str]
) -> tuple[Mapping[str, StageStatus], Mapping[str, str]]:
    """What follows from the artifacts that `prepare` found complete.

    Args:
        records: by stage name.
        stored: content keys by stage name; empty if it does not say.
        always_run: names of the stages that do so whatever is stored.

    Returns:
        The records, without what was done and is complete no more: it is to be made again. And the artifacts of
        stages that are not done yet, for `reuse`.
    """
    if not stored:
        return records, {}
    of_the_plan = {name: record for name, record in records.items() if name not in always_run}
    gone = {
        name: StageStatus(name=name)
        for name, record in of_the_plan.items()
        if name not in stored and record.artifact
    }
    reusable = {
        name: stored[name]
        for name, record in of_the_plan.items()
        if name in stored and record.state not in FINISHED
    }
    return {**records, **gone}, reusable
