"""The records of jobs that have ended: one JSON file each, written whole or not at all."""

import json
import os
from pathlib import Path
from typing import Any

from .cells import Cell


class Records:
    """Those below one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def path(self, cell: Cell, digest: str) -> Path:
        """Of a job as it is declared; declared otherwise, it is another one."""
        return self._directory / f"{cell}.{digest}.json"

    def has(self, cell: Cell, digest: str) -> bool:
        """Whether it has come to its end, well or not."""
        return self.path(cell, digest).exists()

    def any(self, cell: Cell) -> bool:
        """Whether there is one of a job, however it was declared."""
        return any(self._directory.glob(f"{cell}.*.json"))

    def keep(self, cell: Cell, digest: str, record: dict[str, Any]) -> None:
        """Keeps a record."""
        path = self.path(cell, digest)
        half = path.with_suffix(f".half-{os.getpid()}")
        half.write_text(json.dumps(record), encoding="utf-8")
        half.replace(path)

    def forget_failures(self) -> int:
        """Removes the records of jobs that failed, so that they are run again."""
        failed = [path for path in self._directory.glob("*.json") if "failed" in read(path)]
        for path in failed:
            path.unlink()
        return len(failed)


def read(path: Path) -> dict[str, Any]:
    """A record."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
