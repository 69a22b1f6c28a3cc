"""What the manifest of a job says: the one place that reads its spec. Pure."""

import json
from functools import lru_cache

from pydantic import ValidationError

from w2s_api.pipeline import pipeline
from w2s_api.spec.job import Spec
from w2s_api.stage import Stage


@lru_cache(maxsize=128)
def parse(spec: bytes) -> tuple[Spec, tuple[Stage, ...]]:
    """A spec and the stages it means.

    Args:
        spec: JSON, as the API server has it. What was read of many jobs at once is kept, since each is planned
            many times.

    Raises:
        ValidationError: it breaks a rule that the API server does not know.
    """
    parsed = Spec.model_validate_json(spec)
    return parsed, pipeline(parsed)


def ttl_after_finished(spec: bytes) -> float | None:
    """Seconds for which a finished job is kept; None for good.

    It does not need the rest of the spec to be valid, and it is asked of every finished job: most say nothing.
    """
    if b"ttlSeconds" not in spec:
        return None
    seconds = json.loads(spec).get("ttlSecondsAfterFinished")
    return None if seconds is None else float(seconds)


def is_newer_than_operator(error: ValidationError) -> bool:
    """Tells whether the API server took fields that this release does not know: those of a newer release's CRD."""
    return any(problem["type"] == "extra_forbidden" for problem in error.errors())


def first_problem(error: ValidationError) -> str:
    """The first rule that a spec breaks, with the path of its field."""
    problem = error.errors()[0]
    path = ".".join(str(part) for part in problem["loc"])
    return f"spec.{path}: {problem['msg']}"
