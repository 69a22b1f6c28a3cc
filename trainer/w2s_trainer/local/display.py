"""What `w2s run` shows: bars on a terminal, JSON lines otherwise."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from w2s_trainer.json_text import strict_json

JOB = "job"
"""In place of a stage, in events that are about all of them."""


class Display(Protocol):
    """Shows what happens."""

    def event(self, stage: str, event: str, message: str = "", stderr: Sequence[str] = ()) -> None:
        """Shows that a stage began, ended, was reused, failed or is tried again; with its last output, if killed."""

    def progress(self, stage: str, line: dict[str, Any]) -> None:
        """Shows a progress line of a running stage."""

    def close(self) -> None:
        """Ends the display: nothing more will happen."""


class JsonLines:
    """One JSON object per line: {time, stage, event, message, stderr} or a progress line."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock

    def event(self, stage: str, event: str, message: str = "", stderr: Sequence[str] = ()) -> None:
        """Writes one line."""
        more = {"message": message, "stderr": list(stderr)}
        self._write(
            {"stage": stage, "event": event, **{name: value for name, value in more.items() if value}}
        )

    def progress(self, stage: str, line: dict[str, Any]) -> None:
        """Writes one line."""
        self._write({**line, "stage": stage, "event": "progress"})

    def close(self) -> None:
        """Does nothing."""

    def _write(self, plain: dict[str, Any]) -> None:
        sys.stdout.write(strict_json({"time": round(self._clock(), 1), **plain}) + "\n")
        sys.stdout.flush()


class Bars:
    """A bar for each running stage, a line for each that ended."""

    def __init__(self, console: Console | None = None) -> None:
        self._bars = Progress(
            TextColumn("{task.fields[stage]:<20}"),
            TextColumn("{task.description:<18}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[eta]}"),
            console=console or Console(),
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._began: dict[str, float] = {}
        self._bars.start()

    def event(self, stage: str, event: str, message: str = "", stderr: Sequence[str] = ()) -> None:
        """Prints a line above the bars."""
        if event == "started":
            self._began[stage] = time.monotonic()
            self._tasks[stage] = self._bars.add_task("starting", total=None, stage=stage, count="", eta="")
            return
        if stage in self._tasks:
            self._bars.remove_task(self._tasks.pop(stage))
        took = f"{time.monotonic() - self._began.pop(stage):7.1f} s" if stage in self._began else " " * 9
        mark = {"done": "✓", "reused": "=", "failed": "✗"}.get(event, "·")
        outcome = event if not message else f"{event}: {message}"
        self._print(f"{mark} {stage:<20} {took}  {outcome}")
        for line in stderr:
            self._print(f"    {line}")

    def progress(self, stage: str, line: dict[str, Any]) -> None:
        """Moves the stage's bar."""
        step, total, message = line.get("step"), line.get("total"), str(line.get("message", ""))
        if stage in self._tasks and isinstance(step, int | float) and isinstance(total, int | float):
            left = line.get("eta")
            self._bars.update(
                self._tasks[stage],
                description=message,
                completed=step,
                total=max(1, total),
                count=f"{step:,.0f}/{total:,.0f}",
                eta=f"{left:,.0f} s left" if isinstance(left, int | float) and left > 0 else "",
            )
        elif message:
            self._print(f"  {stage:<20} {message}")

    def close(self) -> None:
        """Takes the bars away."""
        self._bars.stop()

    def _print(self, text: str) -> None:
        self._bars.console.print(text, highlight=False, markup=False, soft_wrap=True)


def display() -> Display:
    """Bars on a terminal, JSON lines otherwise."""
    return Bars() if sys.stdout.isatty() else JsonLines()
