"""Views of one stage, as the policies get them: a `train` stage whose second run is open and goes on."""

from dataclasses import replace
from typing import Any

from operator_kit import SPEC, START

from w2s_api.pipeline import pipeline
from w2s_api.spec.job import Spec
from w2s_api.status import StageStatus, Status
from w2s_operator.observed import ChildJob, ChildPod, Job, Observed
from w2s_operator.planning.view import JobView, StageView
from w2s_operator.times import from_seconds

INSTANCE = "i"
NEEDS = {"prepare": "a1"}


def record(**fields: Any) -> StageStatus:
    return StageStatus(**({"name": "train", "instance": INSTANCE} | fields))


def running(**fields: Any) -> StageStatus:
    """The record of a second run that was seen to run."""
    return record(**({"state": "Running", "run": 2, "started": True} | fields))


def idle(**fields: Any) -> StageStatus:
    """The record of a second run that is accounted for."""
    return record(**({"state": "Waiting", "run": 2, "started": True, "ended": True} | fields))


def child(**fields: Any) -> ChildJob:
    run = fields.get("run", 2)
    base = {"namespace": "legal", "name": f"job-{run}", "uid": f"u{run}", "job": "indemnity", "job_uid": "u-1",
            "stage": "train", "stage_key": "k", "instance": INSTANCE, "run": run, "settings": "now",
            "created": START}  # fmt: skip
    return ChildJob(**(base | fields))


def pod(**fields: Any) -> ChildPod:
    base = {"namespace": "legal", "name": "pod", "uid": "p", "child_uid": "u2", "job": "indemnity", "stage": "train",
            "instance": INSTANCE, "created": START, "phase": "Pending"}  # fmt: skip
    return ChildPod(**(base | fields))


def view(
    stage_record: StageStatus,
    *children: ChildJob,
    pods: tuple[ChildPod, ...] = (),
    after: float = 0.0,
    ready: bool = True,
    stored: str | None = None,
    job_failed: bool = False,
    input_lost: bool = False,
    stage: str = "train",
    generation: int = 1,
    refused: Any = None,
    progress: Any = None,
    resolutions: int = 0,
    **spec: Any,
) -> StageView:
    """A view `after` seconds of the start of the job; `spec` is of the manifest."""
    parsed = Spec.model_validate({**SPEC, **spec})
    stages = pipeline(parsed)
    status = Status(observed_generation=1, start_time=from_seconds(START), resolutions=resolutions)
    job = Job("legal", "indemnity", "u-1", "1", generation, START, b"{}", status)
    children = tuple(replace(one, stage=stage) for one in children)
    observed = Observed(job, children, pods, progress or {}, refused or {})
    settings = {"train": "now"}
    job_view = JobView.of(observed, parsed, stages, START + after, settings, 60.0)  # type: ignore[arg-type]
    return StageView(
        job=job_view,
        stage=next(one for one in stages if one.name == stage),
        record=stage_record,
        needs=NEEDS if ready else None,
        stored=stored,
        records={"select": StageStatus(name="select", state="Failed" if job_failed else "Done")},
        input_lost=input_lost,
    )
