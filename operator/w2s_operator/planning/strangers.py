"""Runs that should be no more: the spec does not mean them, or they are over and still go on. Pure."""

from w2s_operator.planning.observed import ChildJob
from w2s_operator.planning.review import Review, with_


def stop_strangers(review: Review) -> None:
    """Deletes them. What was to be deleted before and was not, since the API server was away, is found again."""
    keys = {stage.name: stage.key for stage in review.stages}
    meant = {record.instance for record in review.records.values() if record.instance}
    named = {action.name for action in review.deletes}
    for child in review.observed.children:
        if child.deleting is not None or child.name in named:
            continue
        if child.instance not in meant or child.stage_key != keys.get(child.stage):
            review.delete(child, "Superseded")
            _close(review, child)
        elif child.goes_on and _is_over(review, child):
            review.delete(child, "Over")


def _close(review: Review, child: ChildJob) -> None:
    """Its end is ours: nobody is to wonder about it if an edit brings its instance back."""
    record = review.records.get(child.stage)
    if record and (record.instance, record.run) == (child.instance, child.run) and not record.ended:
        review.records[child.stage] = with_(record, ended=True, progress=None)


def _is_over(review: Review, child: ChildJob) -> bool:
    record = review.records[child.stage]
    return bool(record.ended) and record.instance == child.instance and child.run <= record.run
