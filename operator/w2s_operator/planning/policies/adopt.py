"""A run that is there is taken up, though the status does not know of it.

A status may be lost, and an edit may return to an instance that ran before: its Jobs are the truth.
"""

from w2s_operator.planning.actions import Decision
from w2s_operator.planning.records import with_
from w2s_operator.planning.view import StageView


def adopt(view: StageView) -> Decision | None:
    """Takes up the newest run of the instance, if it is newer than the record."""
    newest = max(view.runs, key=lambda child: child.run, default=None) if view.is_ready else None
    if newest is None or newest.run <= view.record.run:
        return None
    ended = None if newest.is_live else True
    record = with_(view.record, run=newest.run, started=True, ended=ended, state="Waiting")
    return Decision(record, final=False)
