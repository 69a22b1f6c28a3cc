"""Being asked to stop while something is under way that should be brought to a good end first."""

import signal
from types import FrameType, TracebackType
from typing import Self


class StopRequest:
    """While it is entered, SIGTERM and SIGINT are noted in place of ending what is under way.

    Training finishes its step, saves a checkpoint and raises `Stopped` itself.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        for name in (signal.SIGTERM, signal.SIGINT):
            self._before[name] = signal.signal(name, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name, before in self._before.items():
            # None: it was not Python that set it, so Python cannot set it again.
            signal.signal(name, signal.SIG_DFL if before is None else before)  # type: ignore[arg-type]

    def _note(self, _signal: int, _frame: FrameType | None) -> None:
        self.requested = True
