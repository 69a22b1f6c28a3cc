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
    """In the block, the first SIGTERM or SIGINT raises Asked; later ones change nothing.

    As the first process of a pod this one hears no signal that it has not asked for, so this comes first.
    """
    asked = False

    def ask(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if not asked:
            asked = True
            raise Asked

    with _handled_by(ask):
        yield


@contextmanager
def deaf() -> Iterator[None]:
    """In the block, nothing is heard: for the last words, which say how it ended anyway."""
    with _handled_by(signal.SIG_IGN):
        yield


@contextmanager
def _handled_by(handler: "signal._HANDLER") -> Iterator[None]:
    before = {name: signal.signal(name, handler) for name in ASKING}
    try:
        yield
    finally:
        for name, one in before.items():
            signal.signal(name, signal.SIG_DFL if one is None else one)
