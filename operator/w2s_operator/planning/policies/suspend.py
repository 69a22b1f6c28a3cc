"""Nothing runs while the job is suspended.

What runs is stopped with its grace period, in which it saves a checkpoint, and the next run resumes from that. The
`suspend` of a Job is never written: it is Kueue's.
"""

from w2s_operator.planning.actions import Decision, DeleteChild
from w2s_operator.planning.records import stopped, with_
from w2s_operator.planning.view import StageView


def suspend(view: StageView) -> Decision | None:
    """Stops what runs, and begins nothing; afterwards, what was stopped waits like any other stage."""
    record = view.record
    if not view.spec.suspend:
        if record.state != "Suspended":
            return None
        return Decision(with_(record, state="Waiting", reason=None, message=None), final=False)
    running = (view.running,) if view.is_ready else view.live
    deletes = tuple(DeleteChild.of(child, "Suspended") for child in running if child is not None)
    if deletes:
        return Decision(stopped(record, "Suspended", "Suspended", "The job is suspended."), deletes=deletes)
    return Decision(with_(record, state="Suspended", retry_time=None)) if view.is_ready else None
