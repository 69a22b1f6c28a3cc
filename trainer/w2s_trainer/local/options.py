"""How a job is run on this machine."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """How a job is run here."""

    parallel: int
    """Processes at once."""
    cache: Path
    credentials_dir: Path | None = None
    denied_seconds: float = 0.0
    unavailable_seconds: float = 60.0
    grace_seconds: float = 30.0
    """How long a stage that was asked to stop may take."""
    first_wait: float = 1.0
    """Seconds before a stage is tried again for the first time."""
    command: tuple[str, ...] = (sys.executable, "-m", "w2s_cli.main", "stage")
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
