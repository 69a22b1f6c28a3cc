"""Runs that should not exist any more: the spec does not mean them, or they are over and their Jobs still run.

Deletions of an earlier pass that were lost, since the API server was away, are found again here.
"""

from collections.abc import Collection, Mapping

from w2s_api.status import StageStatus
from w2s_operator.observed import ChildJob
from w2s_operator.planning.actions import DeleteChild
from w2s_operator.planning.records import with_
from w2s_operator.planning.view import JobView


def delete_orphaned_runs(
    job: JobView, records: Mapping[str, StageStatus], deleted: Collection[str]
) -> tuple[Mapping[str, StageStatus], tuple[DeleteChild, ...]]:
    """Deletes them.

    Args:
        job: as it is seen.
        records: of all stages, as they were decided.
        deleted: names of the Jobs whose deletion is decided already.

    Returns:
        The records, and the deletions.
    """
    keys = {stage.name: stage.key for stage in job.stages}
    meant = {record.instance for record in records.values() if record.instance}
    deletes: list[DeleteChild] = []
    for child in job.observed.children:
        if child.deleting is not None or child.name in deleted:
            continue
        if child.instance not in meant or child.stage_key != keys.get(child.stage):
            deletes.append(DeleteChild.of(child, "Superseded"))
            records = _closed(records, child)
        elif child.is_live and _is_over(records[child.stage], child):
            deletes.append(DeleteChild.of(child, "Over"))
    return records, tuple(deletes)


def _closed(records: Mapping[str, StageStatus], child: ChildJob) -> Mapping[str, StageStatus]:
    """Marks the run as ended by us, so that its end is no surprise if an edit brings its instance back."""
    record = records.get(child.stage)
    if record is None or (record.instance, record.run) != (child.instance, child.run) or record.ended:
        return records
    return {**records, child.stage: with_(record, ended=True, progress=None)}


def _is_over(record: StageStatus, child: ChildJob) -> bool:
    return bool(record.ended) and record.instance == child.instance and child.run <= record.run
