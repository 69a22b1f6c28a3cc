"""What a `label` stage is given, on a store in memory."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from memory_objects import MemoryObjects

HOME = "s3://bkt/w2s/artifacts/label/key1/"


class Told(list):
    """The notes of a stage, and the steps of its phases."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[tuple[str, int, int]] = []

    def note(self, line: str) -> None:
        self.append(line)

    def __call__(self, phase: str, step: int, total: int) -> None:
        self.steps.append((phase, step, total))


def label_context(scratch: Path, memory: MemoryObjects | None = None, **more: Any) -> SimpleNamespace:
    """A context whose checkpoints are in `memory`; None: a store of its own."""
    given = {
        "objects": memory or MemoryObjects(),
        "store": SimpleNamespace(home_uri=lambda _kind, key: HOME.replace("key1", key)),
        "job": SimpleNamespace(stage=SimpleNamespace(kind="label")),
        "key": "key1",
        "shard": (0, 1),
        "scratch": scratch,
        "progress": Told(),
        "headway": lambda _step: None,
    }
    return SimpleNamespace(**{**given, **more})
