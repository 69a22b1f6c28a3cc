"""The frozen job file: everything a stage process is told."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from w2s_api.pipeline import Stage, pipeline
from w2s_api.spec import Spec
from w2s_trainer.errors import BadSpec


@dataclass(frozen=True)
class StageJob:
    """What one stage process is to do. A later edit of the manifest cannot touch it."""

    namespace: str
    name: str
    spec: Spec
    stage: Stage
    key: str
    """The stage key as the driver knows it."""
    needs: dict[str, str] = field(default_factory=dict)
    """Content keys of the artifacts to read, by stage name."""
    denied_seconds: float = 180.0
    unavailable_seconds: float = 120.0

    def to_json(self) -> dict[str, Any]:
        """The job file's content."""
        return {
            "namespace": self.namespace,
            "name": self.name,
            "spec": self.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True),
            "stage": self.stage.name,
            "key": self.key,
            "needs": self.needs,
            "patience": {
                "deniedSeconds": self.denied_seconds,
                "unavailableSeconds": self.unavailable_seconds,
            },
        }


def read_job(path: Path) -> StageJob:
    """Reads a job file.

    Raises:
        BadSpec: the file is not a job file of this version.
    """
    try:
        plain = json.loads(path.read_text())
        spec = Spec.model_validate(plain["spec"])
        stage = {stage.name: stage for stage in pipeline(spec)}[plain["stage"]]
        return StageJob(
            namespace=plain["namespace"],
            name=plain["name"],
            spec=spec,
            stage=stage,
            key=plain["key"],
            needs=dict(plain["needs"]),
            denied_seconds=float(plain["patience"]["deniedSeconds"]),
            unavailable_seconds=float(plain["patience"]["unavailableSeconds"]),
        )
    except (OSError, json.JSONDecodeError, KeyError, TypeError, ValidationError) as error:
        raise BadSpec(
            "BadJobFile",
            f"{path}: not a job file of this version ({type(error).__name__}: {error}).",
            "It is written by the operator or by `w2s run`; use the same version of both.",
        ) from error
