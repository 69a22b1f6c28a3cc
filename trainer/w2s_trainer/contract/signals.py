"""Being asked to stop, from the first moment of a process to its last."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ASKING = (signal.SIGTERM, signal.SIGINT)
"""Kubernetes and `w2s run` ask by the first, a person by the second."""


class Asked(BaseException):
    """Somebody asked this process to stop. Not an Exception: nothing on the way up may take it for a failure."""


@contextmanager
def raise_when_asked() -> Iterator[None]:
    """Lets the first SIGTERM or SIGINT in the block raise Asked; later ones change nothing.

    As the first process of a pod this one hears no signal that it has not asked for, so this comes first. Within
    another such block it changes nothing.
    """
    if isinstance(signal.getsignal(signal.SIGTERM), _Ask):
        yield
        return
    ask = _Ask()
    before = {name: signal.signal(name, ask) for name in ASKING}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, signal.SIG_DFL if handler is None else handler)


def ignore_stop_signals() -> None:
    """Ignores requests to stop from here on: the last words say how the stage ended, whatever comes now."""
    for name in ASKING:
        signal.signal(name, signal.SIG_IGN)


class _Ask:
    """A signal handler that raises once."""

    def __init__(self) -> None:
        self._asked = False

    def __call__(self, _signal: int, _frame: FrameType | None) -> None:
        if not self._asked:
            self._asked = True
            raise Asked
