"""A run that has not started is made again when the settings of its pods change.

Whoever corrects an image or a node selector does so because the pod does not start. A run that works is not disturbed:
its next run has the new settings.
"""

from w2s_operator.planning.actions import Decision, DeleteChild
from w2s_operator.planning.records import stopped
from w2s_operator.planning.view import StageView


def replace(view: StageView) -> Decision | None:
    """Stops a run that waits with old settings."""
    child = view.running
    if child is None or view.has_started:
        return None
    if child.settings == view.job.settings.get(view.stage.kind, child.settings):
        return None
    record = stopped(view.record, "Waiting", "SettingsChanged", "Its pod settings were changed.")
    return Decision(record, deletes=(DeleteChild.of(child, "SettingsChanged"),))
