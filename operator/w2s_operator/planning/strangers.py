"""Runs of instances that the spec no longer means: stopped if they run, removed if they have ended. Pure."""

from w2s_operator.planning.review import Review


def stop_strangers(review: Review) -> None:
    """Deletes them."""
    keys = {stage.name: stage.key for stage in review.stages}
    meant = {record.instance for record in review.records.values() if record.instance}
    named = {action.name for action in review.deletes}
    for child in review.observed.children:
        if child.deleting is not None or child.name in named:
            continue
        if child.instance not in meant or child.stage_key != keys.get(child.stage):
            review.delete(child, "Superseded")
