"""What the store has already: `prepare` looks for it, and looks again when something is gone. Pure."""

from collections.abc import Mapping

from w2s_api.status import FINISHED, StageStatus
from w2s_operator.planning.retries import MAX_RESOLUTIONS
from w2s_operator.planning.review import Review

OF_THE_JOB = ("evaluate", "promote")
"""Stages that put the job's own pointers in place, which another job's artifact cannot do: they always run."""


def resolve(review: Review, complete: Mapping[str, str]) -> None:
    """Takes what `prepare` says of the plan's artifacts: the stages of those that are complete need no pod.

    Args:
        review: its records are changed: what was done and is complete no more is to be made again.
        complete: content keys by stage name; empty if it does not say.
    """
    if not complete:
        return
    for name, record in list(review.records.items()):
        if name in ("prepare", *OF_THE_JOB):
            continue
        if name not in complete and record.artifact:
            review.records[name] = StageStatus(name=name)
        elif name in complete and record.state not in FINISHED:
            review.found[name] = complete[name]


def resolve_again(review: Review) -> None:
    """An artifact is gone: `prepare` gets another instance, so that it is run again."""
    if review.lost and review.resolutions < MAX_RESOLUTIONS and not review.failed():
        review.resolutions += 1
        review.look_again()
