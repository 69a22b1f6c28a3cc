"""What `w2s run` shows: bars on a terminal, JSON lines otherwise."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class Display(Protocol):
    """Somebody who is told what happens."""

    def event(self, stage: str, event: str, message: str = "") -> None:
        """A stage began, ended, was reused, failed, is tried again."""

    def progress(self, stage: str, line: dict[str, Any]) -> None:
        """A progress line of a running stage."""

    def close(self) -> None:
        """Nothing more will happen."""


class JsonLines:
    """One JSON object a line: {time, stage, event, message} or a progress line."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock

    def event(self, stage: str, event: str, message: str = "") -> None:
        """Writes one line."""
        self._write({"stage": stage, "event": event, **({"message": message} if message else {})})

    def progress(self, stage: str, line: dict[str, Any]) -> None:
        """Writes one line."""
        self._write({**line, "stage": stage, "event": "progress"})

    def close(self) -> None:
        """Nothing to do."""

    def _write(self, plain: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps({"time": round(self._clock(), 1), **plain}, ensure_ascii=False) + "\n")
        sys.stdout.flush()


class Bars:
    """A bar for each running stage, a line for each that ended."""

    def __init__(self, console: Console | None = None) -> None:
        self._bars = Progress(
            TextColumn("{task.fields[stage]:<20}"),
            TextColumn("{task.description:<18}"),
            BarColumn(bar_width=30),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeElapsedColumn(),
            console=console or Console(),
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._began: dict[str, float] = {}
        self._bars.start()

    def event(self, stage: str, event: str, message: str = "") -> None:
        """Prints a line above the bars."""
        if event == "started":
            self._began[stage] = time.monotonic()
            self._tasks[stage] = self._bars.add_task("starting", total=1, stage=stage)
            return
        if stage in self._tasks:
            self._bars.remove_task(self._tasks.pop(stage))
        took = f"{time.monotonic() - self._began.pop(stage):7.1f} s" if stage in self._began else " " * 9
        mark = {"done": "✓", "reused": "=", "failed": "✗"}.get(event, "·")
        said = event if not message else f"{event}: {message}"
        self._bars.console.print(f"{mark} {stage:<20} {took}  {said}", highlight=False, markup=False)

    def progress(self, stage: str, line: dict[str, Any]) -> None:
        """Moves the stage's bar."""
        if stage in self._tasks and "step" in line:
            self._bars.update(
                self._tasks[stage],
                description=str(line.get("message", "")),
                completed=line["step"],
                total=max(1, line["total"]),
            )
        elif "message" in line:
            self._bars.console.print(f"  {stage:<20} {line['message']}", highlight=False, markup=False)

    def close(self) -> None:
        """Takes the bars away."""
        self._bars.stop()


def display() -> Display:
    """Bars on a terminal, JSON lines otherwise."""
    return Bars() if sys.stdout.isatty() else JsonLines()
