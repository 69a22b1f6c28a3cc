"""Progress of a tuning that a test watches, and can stop."""

import os
import signal
from dataclasses import dataclass, field


@dataclass
class Watched:
    """Progress that asks the process to stop while a step is under way."""

    stop_in: int | None = None
    notes: list[str] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)

    def __call__(self, phase: str, step: int, _total: int, **_figures: float) -> None:
        if phase == "tuning":
            self.steps.append(step)
            if self.stop_in is not None and step == self.stop_in - 1:
                os.kill(os.getpid(), signal.SIGTERM)

    def note(self, message: str) -> None:
        self.notes.append(message)
