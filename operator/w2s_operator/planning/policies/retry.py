"""A run that ended early is followed by another after a wait that doubles.

How long it is was decided when the run was accounted for (`RetryPolicy`); any edit gives the stage a new budget and
ends the wait.
"""

from w2s_operator.planning.actions import Decision
from w2s_operator.planning.view import StageView
from w2s_operator.times import to_seconds


def retry(view: StageView) -> Decision | None:
    """Waits until it is time."""
    if view.record.retry_time is None:
        return None
    due = to_seconds(view.record.retry_time)
    return Decision(view.record, wakes=(due,)) if due > view.now else None
