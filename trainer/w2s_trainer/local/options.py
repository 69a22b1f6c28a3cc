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
    """Stages (and shards) at once."""
    cache: Path
    credentials_dir: Path | None = None
    processes: int | None = None
    """That tune one student together; None: one for each GPU."""
    functions_dir: Path | None = None
    """Where modules of labelling functions are looked for last."""
    denied_seconds: float = 0.0
    unavailable_seconds: float = 60.0
    grace_seconds: float = 30.0
    """How long a stage that was asked to stop may take."""
    first_wait: float = 1.0
    """Seconds before a stage is tried again for the first time."""
    command: tuple[str, ...] = (sys.executable, "-m", "w2s_cli.main", "stage")
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
