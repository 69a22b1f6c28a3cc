"""Reads the frozen job file."""

import json
from pathlib import Path

from w2s_api.stage_job import StageJob
from w2s_trainer.errors import BadSpec

__all__ = ["StageJob", "read_job"]


def read_job(path: Path) -> StageJob:
    """Reads a job file.

    Raises:
        BadSpec: the file is not a job file of this version.
    """
    try:
        return StageJob.from_json(json.loads(path.read_text()))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise BadSpec(
            "BadJobFile",
            f"{path}: not a job file of this version ({type(error).__name__}: {error}).",
            "It is written by the operator or by `w2s run`; use the same version of both.",
        ) from error
