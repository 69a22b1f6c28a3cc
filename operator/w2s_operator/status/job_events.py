"""Which changes of a status become Kubernetes Events: what goes wrong, and how it ends. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from w2s_api.status import Status, condition


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One Event."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


def job_events(before: Status, after: Status) -> Iterator[JobEvent]:
    """The Events of a change of the status. What runs as it should is in the status and needs none."""
    known = {stage.name: stage for stage in before.stages}
    for stage in after.stages:
        old = known.get(stage.name)
        if (stage.failures or 0) > ((old.failures or 0) if old else 0) and stage.state != "Failed":
            yield JobEvent(
                "Warning", "StageFailed", f"{stage.name}, run {stage.run}: {stage.reason}: {stage.message}"
            )
        if (stage.disruptions or 0) > ((old.disruptions or 0) if old else 0):
            yield JobEvent(
                "Normal", "StageDisrupted", f"{stage.name}, run {stage.run}: {stage.reason}: {stage.message}"
            )
        waits = stage.state == "Starting" and stage.reason
        if waits and (old is None or (old.reason, old.run) != (stage.reason, stage.run)):
            yield JobEvent("Warning", stage.reason or "", f"{stage.name}, run {stage.run}: {stage.message}")
    for type_, kind in (
        ("Complete", "Normal"),
        ("Failed", "Warning"),
        ("Promoted", "Normal"),
        ("Suspended", "Normal"),
        ("Advice", "Warning"),
    ):
        earlier, later = condition(before, type_), condition(after, type_)  # type: ignore[arg-type]
        if later and later.status == "True" and (earlier is None or earlier.status != "True"):
            yield JobEvent(kind, type_, later.message or later.reason)  # type: ignore[arg-type]
