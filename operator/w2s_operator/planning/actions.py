"""What a plan may ask for."""

from collections.abc import Mapping
from dataclasses import dataclass

from w2s_api.pipeline import Stage
from w2s_api.spec import Spec


@dataclass(frozen=True, slots=True)
class CreateRun:
    """Create the Job of a run. Its number is saved in the status before."""

    spec: Spec
    stage: Stage
    instance: str
    run: int
    needs: Mapping[str, str]
    """Content keys of the artifacts it reads, by stage name."""


@dataclass(frozen=True, slots=True)
class DeleteChild:
    """Delete a Job with its pods, which are given their time to save what they did."""

    name: str
    uid: str
    why: str


@dataclass(frozen=True, slots=True)
class ReleaseChildren:
    """Delete, in one call, the child Jobs of a job that came to a good end: the status has their results."""


@dataclass(frozen=True, slots=True)
class DeleteSelf:
    """Delete the job: its time after its end is over."""


Action = CreateRun | DeleteChild | ReleaseChildren | DeleteSelf
