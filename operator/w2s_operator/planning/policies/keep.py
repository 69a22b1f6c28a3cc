"""What is done stays done, and what failed for good stays failed.

A stage waits again whenever a stage before it is looked at anew; if that comes to the same artifacts, its instance
is the same again, and as done as it was. A failure ends with the spec, or the value of the retry annotation, that it
was made with: that was cleared when the view was made.
"""

from w2s_api.status import FINISHED
from w2s_operator.planning.actions import Decision
from w2s_operator.planning.records import with_
from w2s_operator.planning.view import StageView


def keep(view: StageView) -> Decision | None:
    """Ends the list for a stage that came to an end."""
    record = view.record
    if not view.is_ready:
        return None
    if record.state == "Waiting" and record.artifact:
        return Decision(with_(record, state="Done"))
    return Decision(record) if record.state in (*FINISHED, "Failed") else None
