"""A run whose node is gone is given up, and another takes its place.

A pod on a lost node stays Terminating for ever, and its Job never replaces it. Time alone decides, for nodes are not
read: docs/design/2026-11-21-lost-nodes-by-time.md.
"""

from w2s_operator.planning.actions import Decision, DeleteChild
from w2s_operator.planning.outcome import NODE_LOST
from w2s_operator.planning.records import disrupted
from w2s_operator.planning.view import StageView


def lost(view: StageView) -> Decision | None:
    """Deletes a run of which a pod should have been gone for a while."""
    child, lost_at = view.running, view.lost_at
    if child is None or lost_at is None:
        return None
    if lost_at > view.now:
        return Decision(view.record, final=False, wakes=(lost_at,))
    record = disrupted(view.record, NODE_LOST, view.spec, view.now)
    return Decision(record, deletes=(DeleteChild.of(child, "NodeLost"),))
