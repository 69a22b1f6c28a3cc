"""The frozen job file: everything that a stage process needs to know. Drivers write it, the process reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

from w2s_api.pipeline import pipeline
from w2s_api.spec.job import Spec
from w2s_api.stage import Stage

_OF_THE_CLUSTER = {"pods", "execution", "suspend", "ttl_seconds_after_finished", "managed_by"}
"""Fields of the spec that are about pods, not about what a stage does: no process reads them."""


@dataclass(frozen=True)
class StageJob:
    """What one stage process is to do. A later edit of the manifest cannot touch it."""

    namespace: str
    name: str
    spec: Spec
    stage: Stage
    key: str
    """The stage key as the driver knows it."""
    needs: Mapping[str, str] = field(default_factory=dict)
    """Content keys of the artifacts to read, by stage name."""
    denied_seconds: float = 180.0
    unavailable_seconds: float = 120.0

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """All stages of the job, each after those it needs."""
        return pipeline(self.spec)

    def to_json(self) -> dict[str, Any]:
        """The job file's content."""
        return {
            "namespace": self.namespace,
            "name": self.name,
            "spec": self.spec.model_dump(
                mode="json", by_alias=True, exclude_defaults=True, exclude=_OF_THE_CLUSTER
            ),
            "stage": self.stage.name,
            "key": self.key,
            "needs": dict(self.needs),
            "patience": {
                "deniedSeconds": self.denied_seconds,
                "unavailableSeconds": self.unavailable_seconds,
            },
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """From a job file's content.

        Raises:
            KeyError, TypeError, ValueError: it is none of this version.
        """
        spec = Spec.model_validate(plain["spec"])
        stage = {stage.name: stage for stage in pipeline(spec)}[plain["stage"]]
        return cls(
            namespace=plain["namespace"],
            name=plain["name"],
            spec=spec,
            stage=stage,
            key=plain["key"],
            needs=dict(plain["needs"]),
            denied_seconds=float(plain["patience"]["deniedSeconds"]),
            unavailable_seconds=float(plain["patience"]["unavailableSeconds"]),
        )
