"""The next run of a stage: it gets its number, and its Job is asked for.

The number is in the status before the Job is created. Asking twice makes one Job, for its name is decided with the
number: an operator that was killed in between creates the same.
"""

from w2s_api.status import MOST_MESSAGE
from w2s_operator.planning.actions import CreateRun, Decision, DeleteChild
from w2s_operator.planning.records import failed, next_run, with_
from w2s_operator.planning.view import StageView


def create(view: StageView) -> Decision:
    """Begins the next run, or asks again for the Job of the one that was decided; last in the list."""
    if view.is_open:
        return _ask(view)
    if any(child.is_live for child in view.runs):
        return Decision(view.record)  # it was stopped, and that is not seen yet
    if view.quiet_at > view.now:
        return Decision(with_(view.record, state="Stopping"), wakes=(view.quiet_at,))
    old = tuple(DeleteChild.of(child, "NextRun") for child in view.runs if child.deleting is None)
    begun = Decision(next_run(view.record), final=False, deletes=old)
    return begun.then(_ask(view.with_record(begun.record)))


def _ask(view: StageView) -> Decision:
    """Asks for a Job; the status reports what the API server answered to an earlier request."""
    record = view.record
    refusal = view.job.observed.refused.get(view.stage.name)
    if refusal and (refusal.instance, refusal.run) == (record.instance, record.run):
        if refusal.final:
            return Decision(failed(record, refusal.reason, refusal.message))
        record = with_(record, reason=refusal.reason[:64], message=refusal.message[:MOST_MESSAGE])
    record = with_(record, state="Starting")
    if view.quiet_at > view.now:  # it was made: its Job is gone already, or is not seen yet
        return Decision(record, wakes=(view.quiet_at,))
    needs = dict(view.needs or {})
    return Decision(record, create=CreateRun(view.spec, view.stage, record.instance, record.run, needs))
