"""Nothing is begun while a stage before it works, after a stage has failed for good, or when an artifact is gone.

A job whose stage has failed waits for a person: what runs may finish, since its work is kept, but no GPU is asked for.
"""

from w2s_operator.planning.actions import Decision
from w2s_operator.planning.records import with_
from w2s_operator.planning.view import StageView


def hold(view: StageView) -> Decision | None:
    """Leaves a stage that does not run as it is."""
    record = view.record
    if view.running:
        return None
    if not view.is_ready:
        # Its instance will tell whether what it did still holds, and what its old runs are worth.
        waits = not view.live and record.state != "Failed"
        return Decision(with_(record, state="Waiting", progress=None) if waits else record)
    if view.job_failed or (view.input_lost and view.stage.kind != "prepare"):
        return Decision(record)
    return None
