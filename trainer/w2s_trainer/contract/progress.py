"""Progress: one JSON object a line on standard output, at most one every few seconds."""

import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

from w2s_trainer.json_text import strict_json


class Progress:
    """Says how far a stage is.

    Args:
        stage: the stage's name.
        interval: seconds between two lines; the first and the last of a phase are always written.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        stage: str,
        interval: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        stream: TextIO | None = None,
    ) -> None:
        self._stage = stage
        self._interval = interval
        self._clock = clock
        self._stream = stream or sys.stdout
        self._phase: str | None = None
        self._began = 0.0
        self._first = 0
        self._last = float("-inf")

    def __call__(self, phase: str, step: int, total: int, **figures: float) -> None:
        """Reports that `step` of `total` of a phase are done; figures are extra numbers (loss)."""
        now = self._clock()
        if phase != self._phase:
            self._phase, self._began, self._first, self._last = phase, now, step, float("-inf")
        if step < total and now - self._last < self._interval:
            return
        self._last = now
        elapsed = now - self._began
        # What was done before an interruption was not done in this time.
        rate = (step - self._first) / elapsed if elapsed > 0 and step > self._first else None
        self._write(
            message=phase,
            step=step,
            total=total,
            rate=None if rate is None else round(rate, 2),
            eta=None if rate is None else round((total - step) / rate, 1),
            **figures,
        )

    def note(self, message: str) -> None:
        """Says something once."""
        self._write(message=message)

    def _write(self, **fields: Any) -> None:
        line = {"stage": self._stage, **{name: value for name, value in fields.items() if value is not None}}
        self._stream.write(strict_json(line, ascii_only=True) + "\n")
        self._stream.flush()
